"""Load the content of a report from a result file: config, decisions and candles of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from freqtrade.exchange import timeframe_to_seconds

from agent_market.candles import load_candles
from agent_market.config import AgentMarketSettings, load_settings
from agent_market.llm.endpoints.signature import RULES, is_unsigned
from agent_market.records import Episode
from agent_market.reports.backtest_result import BacktestRun, load_run
from agent_market.reports.comparison import compare
from agent_market.reports.content import ReportContent
from agent_market.reports.knowledge import models_of
from agent_market.reports.model_costs import model_costs
from agent_market.reports.weighting_label import weighing
from agent_market.store.answers import AnswerStore
from agent_market.store.database import Database, store_url
from agent_market.store.episodes import episodes_of


def gather(result: Path, user_data: Path, datadir: Path | None = None) -> ReportContent:
    """Load a backtest result with its config, decisions and candles.

    Settings are those of the config that freqtrade stored inside the result, so the report of an old result
    does not change when the config does.

    :param datadir: folder of candles; None takes freqtrade's default for the exchange.
    :raises DataError: the result cannot be read.
    :raises StoreError: the database of decisions cannot be opened.
    """
    run = load_run(result)
    settings = load_settings(run.config)
    first = run.first
    candles = load_candles(
        datadir or _datadir(run, user_data),
        first.pairs,
        first.timeframe,
        first.trading_mode,
        first.start,
        first.end,
    )
    episodes = episodes_in(run, settings, user_data)
    return ReportContent(
        run=run,
        comparison=compare(
            run,
            candles,
            settings.costs.fee,
            model_costs(episodes, settings.budget),
            weighing(episodes, settings.decision),
        ),
        episodes=episodes,
        candles=candles,
        settings=settings,
        written_at=datetime.now(UTC),
        is_signed=are_signed(episodes, settings, user_data),
    )


def are_signed(episodes: Sequence[Episode], settings: AgentMarketSettings, user_data: Path) -> bool:
    """Whether every answer of these decisions under the name of the sandbox's rules carries their signature.

    :raises StoreError: the database cannot be read.
    """
    keys = sorted({v.answer_key for e in episodes for v in e.views if v.answer_key is not None})
    if not keys or not any(model.startswith(RULES) for model in models_of(settings.llm)):
        return True
    database = Database(store_url(settings.store.url, user_data))
    try:
        store = AnswerStore(database)
        held = store.get_many(keys)
        store.close()
    finally:
        database.close()
    return not any(is_unsigned(answer.model) for answer in held.values())


def episodes_in(run: BacktestRun, settings: AgentMarketSettings, user_data: Path) -> tuple[Episode, ...]:
    """The decisions that could be traded within the run's span, as they were known at its end.

    A later run may have gone on with the same memory: what it decided, and the outcomes that it brought, are
    not of this run, or a report made today would differ from one made at the time.
    """
    scope = settings.memory.scope or run.first.identifier
    if scope is None:
        return ()
    database = Database(store_url(settings.store.url, user_data))
    try:
        found = episodes_of(database, scope)
    finally:
        database.close()
    end = run.first.end
    known = end + timedelta(seconds=timeframe_to_seconds(run.first.timeframe))
    return tuple(_as_known(e, known) for e in found if run.first.start < e.view.asof <= end)


def _as_known(episode: Episode, at: datetime) -> Episode:
    if episode.outcome is None or episode.outcome.known_at <= at:
        return episode
    return replace(episode, outcome=None)


def _datadir(run: BacktestRun, user_data: Path) -> Path:
    """Return freqtrade's default folder of candles; results do not store `--datadir`."""
    return user_data / "data" / str(run.config.get("exchange", {}).get("name", "")).lower()
