"""Outcomes and answers in the store of a killed bot, held against the market and against each other."""

from __future__ import annotations

from datetime import timedelta

from agent_market.config import AgentMarketSettings
from agent_market.outcomes import measure
from agent_market.records import Episode
from agent_market.sandbox.market.protocol import Source
from agent_market.store.answers import AnswerStore
from agent_market.store.database import Database
from agent_market.store.episodes import episodes_of

MINUTE_S = 60


def wrong_outcomes(url: str, source: Source, settings: AgentMarketSettings) -> list[str]:
    """Decisions whose stored outcome is not what the whole market, without any kill, says it was."""
    database = Database(url)
    try:
        settled = [e for e in episodes_of(database, "live") if e.outcome is not None]
    finally:
        database.close()
    return [e.id for e in settled if e.outcome != _true_outcome(e, source, settings)]


def _true_outcome(episode: Episode, source: Source, settings: AgentMarketSettings) -> object:
    horizon = settings.decision.horizon_candles
    asof_s = int(episode.view.asof.timestamp())
    end = episode.view.asof + timedelta(minutes=horizon + 2)
    candles = source.candles(episode.view.pair, "1m", asof_s * 1000, int(end.timestamp()) * 1000)
    prices = (candles.open, candles.high, candles.low, candles.close)
    cost = settings.costs.round_trip
    return measure(candles.time // 1000, *prices, asof_s, horizon, MINUTE_S, cost)


def lost_answers(url: str) -> list[str]:
    """Decisions that name an answer which the store does not hold."""
    database = Database(url)
    try:
        episodes = episodes_of(database, "live")
        named = {v.answer_key for e in episodes for v in e.views if v.answer_key}
        answers = AnswerStore(database)
        held = answers.get_many(sorted(named))
        answers.close()
    finally:
        database.close()
    lost = named - held.keys()
    return [e.id for e in episodes if any(v.answer_key in lost for v in e.views)]
