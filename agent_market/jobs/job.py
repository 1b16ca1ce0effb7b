"""What a job is, and the bench that it works at."""

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
"""Who waits for whom: jobs of one lane run one after the other, lanes beside each other.

`light`: on a thread of the bot; `sense`: network and disk; `think`: language models and embedders;
`search`: CPU.
"""
Tell = Callable[[Literal["info", "warning", "critical"], str], object]
"""Alerts a human."""
Found = Mapping[str, Any]
"""What came of a run: a few JSON-ready facts, by name."""


class Stopped(Exception):
    """The bot or worker ends; the job is run again from the start next time."""


@dataclass(frozen=True)
class JobContext:
    """What a job works with. Everything it writes is written in transactions or put in place in one step.

    `prices` gives the candles of a pair (the bot's own, or those on disk), `trades` reads
    freqtrade's own database, None where that is in memory; `wanted` is False from when bot or worker ends.
    `now` is the moment as of which the job is done: of a calendar the time that was due.
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
        """The store.

        :raises DataError: there is none yet.
        """
        return self.source.database

    def pause(self) -> None:
        """Call it between two units of work.

        :raises Stopped: there is to be no further one.
        """
        if not self.wanted():
            raise Stopped


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of work. `run` may be repeated at any time, and be killed at any moment, without harm.

    Its bench's `now` is the time that `when` says the run stands for.
    """

    name: str
    about: str
    lane: Lane
    when: When
    run: Callable[[JobContext], Found]
