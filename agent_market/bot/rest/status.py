"""Status, runs, risk, cost and alerts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from agent_market import __version__
from agent_market.bot.account import book_of
from agent_market.bot.alerting.alert_queries import alert_history, resolve
from agent_market.bot.attach import current
from agent_market.bot.control import Control
from agent_market.bot.freqtrade_internals import api as internals
from agent_market.bot.plugin import BotPlugin
from agent_market.bot.rest import schemas
from agent_market.bot.rest.dependencies import Asked, User
from agent_market.bot.rest.errors import RESPONSES, AgentsRoute
from agent_market.config import Caps
from agent_market.errors import DataError
from agent_market.queries.cost import cost_of
from agent_market.queries.decisions import newest_asof
from agent_market.queries.risk_log import risk_log_of
from agent_market.queries.run_context import runs_of
from agent_market.store.spend import Spent

MOST_ID = 2**31 - 1

router = APIRouter(prefix="/agents", tags=["Agents"], route_class=AgentsRoute, responses=RESPONSES)


@router.get("/status", summary="What runs here")
def status(source: Asked) -> schemas.Status:
    """Bot, kill switch, breaker, and how fresh the newest decision is."""
    config, bot = internals.api_config(), current()
    try:
        newest, has_store = newest_asof(source), True
    except DataError:
        newest, has_store = None, False
    return schemas.Status(
        version=__version__,
        runmode=config["runmode"].value,
        attached=bot is not None,
        strategy=type(bot.strategy).__name__ if bot else None,
        scope=source.scope,
        has_store=has_store,
        last_decision=newest,
        switch=schemas.Switch.model_validate(Control(source.folder).state()),
        breaker=_breaker(bot),
        waiting=len(bot.confirmations.pending()) if bot else 0,
    )


@router.get("/runs", summary="Runs whose decisions can be asked for")
def runs(source: Asked) -> list[schemas.Run]:
    """Every noted run of the model, newest first; its `scope` is what the other routes take."""
    return [schemas.Run.model_validate(run) for run in runs_of(source.user_data)]


@router.get("/risk", summary="Risk state and budget", dependencies=[Depends(internals.bot_session)])
def risk(
    source: Asked,
    limit: Annotated[int, Query(description="Lines of the journal.", ge=0, le=500)] = 50,
) -> schemas.RiskAnswer:
    """Breaker, what is used of the risk budget, every limit, and the newest clamps, refusals and fills."""
    bot = current()
    return schemas.RiskAnswer(
        breaker=_breaker(bot),
        budget=_budget(bot) if bot else None,
        limits=source.settings.risk.model_dump(mode="json"),
        journal=[line for _, line in risk_log_of(source.folder).recent(limit)] if limit else [],
    )


@router.get("/cost", summary="What asking models has cost")
def cost(source: Asked) -> schemas.CostAnswer:
    """Requests, tokens and money today, in 30 days and ever, with the day's caps."""
    found = cost_of(source)
    return schemas.CostAnswer(
        currency=found.currency,
        today=_sum(found.today),
        month=_sum(found.month),
        total=_sum(found.total),
        day_caps=_caps(found.day_caps),
        shares=[schemas.CostShare.model_validate(share) for share in found.shares],
    )


@router.get("/alerts", summary="Newest alerts")
def alerts(
    source: Asked,
    limit: Annotated[int, Query(description="How many.", ge=1, le=500)] = 50,
    after: Annotated[
        int, Query(description="Only of the bot in this process, with a number above this.", ge=0)
    ] = 0,
    before: Annotated[int | None, Query(description="Only with an id below this.", ge=1, le=MOST_ID)] = None,
    only_open: Annotated[bool, Query(alias="open", description="Only those not resolved.")] = False,
) -> schemas.AlertsAnswer:
    """What a trader must hear of, oldest first; ask again with the last `number` as `after`."""
    bot = current()
    history = bot.history if bot else None
    recent = bot.bus.recent(limit, after) if bot else ()
    found = alert_history(source, history, recent, limit, after, before, only_open)
    return schemas.AlertsAnswer(
        process=history.process if history else None,
        alerts=[schemas.AlertAnswer.model_validate(asdict(record)) for record in found],
    )


@router.post("/alerts/{number}/resolve", summary="Resolve an alert")
def resolve_alert(
    source: Asked, number: Annotated[int, Path(description="Its id.", ge=1, le=MOST_ID)], user: User
) -> schemas.AlertAnswer:
    """Who resolves it first stays named."""
    bot = current()
    found = resolve(source, bot.history if bot else None, number, f"rest:{user}")
    return schemas.AlertAnswer.model_validate(asdict(found))


def _breaker(bot: BotPlugin | None) -> schemas.Breaker | None:
    return schemas.Breaker.model_validate(bot.breaker.state) if bot else None


def _budget(bot: BotPlugin) -> schemas.BudgetAnswer:
    book = book_of(bot.strategy, bot.desk.market.close)
    limit = bot.desk.settings.budget.book_loss * book.equity
    used = sum(holding.loss_at_stop for holding in book.holdings)
    return schemas.BudgetAnswer(
        equity=book.equity,
        free=book.free,
        book_loss_limit=limit,
        book_loss_used=used,
        book_loss_left=max(limit - used, 0.0),
        holdings=[schemas.HoldingAnswer.model_validate(holding) for holding in book.holdings],
    )


def _sum(spent: Spent) -> schemas.Sum:
    tokens = spent.prompt_tokens + spent.completion_tokens
    return schemas.Sum(calls=spent.calls, tokens=tokens, cost=spent.cost_nano / 1e9)


def _caps(caps: Caps) -> schemas.Sum:
    return schemas.Sum(calls=caps.calls, tokens=caps.tokens, cost=caps.cost)
