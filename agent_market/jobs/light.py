"""Light jobs: short ones that run in the bot's process."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pandas as pd
from freqtrade.exchange import timeframe_to_seconds

from agent_market.config import AgentMarketSettings
from agent_market.jobs.job import JobContext
from agent_market.jobs.state import states_of
from agent_market.outcomes import outcome_of
from agent_market.queries.cost import cost_of
from agent_market.records import Episode, Outcome
from agent_market.store.outcomes import put_outcomes, unsettled
from agent_market.store.trades import closed_ids, mirror_trades


def outcomes(bench: JobContext) -> dict[str, Any]:
    """Compute the outcome of each due decision from candles, as the bot does.

    The bot computes it only when it decides again on the pair, which may be much later, or never.
    """
    waiting = unsettled(bench.database, bench.source.scope, bench.pairs, bench.now)
    written = 0
    for pair, group in groupby(waiting, key=lambda episode: episode.view.pair):
        bench.pause()
        episodes = [e for e in group if e.view.timeframe == bench.timeframe]
        if not episodes:
            continue
        candles = bench.prices(pair, episodes[0].view.asof)
        if not len(candles):
            continue
        found = [(e, o) for e in episodes if (o := _outcome(e, candles, bench.settings)) is not None]
        written += put_outcomes(bench.database, found)
    return {"waiting": len(waiting) - written, "written": written}


def _outcome(episode: Episode, candles: pd.DataFrame, settings: AgentMarketSettings) -> Outcome | None:
    length = timeframe_to_seconds(episode.view.timeframe)
    opens_s = pd.DatetimeIndex(candles["date"]).tz_convert("UTC").as_unit("s").asi8
    opened, high, low, closed = (
        candles[name].to_numpy(dtype=float) for name in ("open", "high", "low", "close")
    )
    return outcome_of(episode, opens_s, opened, high, low, closed, length, settings.costs.round_trip)


def trades(bench: JobContext) -> dict[str, Any]:
    """Mirror trades that the bot's listener missed, by comparing the store with freqtrade's database.

    :raises DataError: freqtrade's database cannot be read.
    """
    if bench.trades is None:  # in memory: only the listener can mirror them
        return {"trades": 0}
    scope, count = bench.source.scope, 0
    for batch in bench.trades.changed(closed_ids(bench.database, scope)):
        bench.pause()
        mirror_trades(bench.database, scope, batch)
        count += len(batch)
    return {"trades": count}


def costs(bench: JobContext) -> dict[str, Any]:
    """Sum today's cost of models; alert beyond a share of a daily cap, once per day and cap."""
    cost = cost_of(bench.source, bench.now)
    caps, today = cost.day_caps, cost.today
    tokens = today.prompt_tokens + today.completion_tokens
    money = today.cost_nano / 1e9
    spent = {"calls": (today.calls, caps.calls), "tokens": (tokens, caps.tokens), "cost": (money, caps.cost)}
    day = f"{bench.now:%Y-%m-%d}"
    before = states_of(bench.database, bench.source.scope).get("costs")
    alerted = list(before.found.get("told", [])) if before and before.found.get("day") == day else []
    for name, (used, cap) in spent.items():
        if name not in alerted and cap > 0 and used >= cap * bench.settings.jobs.costs_alert:
            unit = f" {cost.currency}" if name == "cost" else ""
            bench.tell(
                "warning",
                f"models used {used:,.6g} of {cap:,.6g}{unit} {name} today; at the cap no model is called",
            )
            alerted.append(name)
    return {"day": day, "told": alerted, "calls": today.calls, "tokens": tokens, "cost": round(money, 6)}
