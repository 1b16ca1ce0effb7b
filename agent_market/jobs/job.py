"""Jobs, and the context that each one runs in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from agent_market.config import AgentMarketSettings
from agent_market.jobs.freqtrade_db import FreqtradeTrades
from agent_market.jobs.prices import Prices
from agent_market.jobs.when import When
from agent_market.queries.run_context import RunContext
from agent_market.store.database import Database

Lane = Literal["light", "sense", "think", "search"]
"""Jobs of one lane run one after the other; lanes run concurrently.

`light`: on a thread of the bot; `sense`: network and disk; `think`: language models and embedders;
`search`: CPU.
"""
Tell = Callable[[Literal["info", "warning", "critical"], str], object]
"""Sends an alert with a level and a text."""
Found = Mapping[str, Any]
"""Result of a run: a few JSON-serialisable values by name."""


class Stopped(Exception):
    """The bot or worker is stopping; the job starts over next time."""


@dataclass(frozen=True)
class JobContext:
    """Inputs of a job. A job writes in transactions, or replaces a file atomically.

    `prices` returns the candles of a pair (from the bot, or from disk). `trades` reads freqtrade's own
    database; None if that is in memory. `wanted` returns False once the bot or worker is stopping. `now` is
    the time as of which the job runs: its scheduled time, timezone-aware.
    """

    source: RunContext
    pairs: tuple[str, ...]
    timeframe: str
    datadir: Path
    prices: Prices
    trades: FreqtradeTrades | None
    currency: str
    now: datetime
    tell: Tell
    wanted: Callable[[], bool]

    @property
    def settings(self) -> AgentMarketSettings:
        return self.source.settings

    @property
    def database(self) -> Database:
        """The open store.

        :raises DataError: no store exists yet.
        """
        return self.source.database

    def pause(self) -> None:
        """Call it between two units of work.

        :raises Stopped: the bot or worker is stopping.
        """
        if not self.wanted():
            raise Stopped


@dataclass(frozen=True, slots=True)
class Job:
    """One job. `run` is idempotent and may be killed at any moment.

    The context's `now` is the scheduled time of the run, from `when`.
    """

    name: str
    about: str
    lane: Lane
    when: When
    run: Callable[[JobContext], Found]
