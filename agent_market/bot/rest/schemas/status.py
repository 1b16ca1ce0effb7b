"""What runs here, and whether it may trade."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from agent_market.bot.rest.schemas.base import Answer


class Switch(Answer):
    """The kill switch and the mode."""

    paused: bool
    """Whether no entry of any kind is placed."""
    mode: Literal["auto", "confirm", "manual"]
    """auto: agents' entries are placed; confirm: each needs a human's yes; manual: only forced entries."""
    paused_by: str
    """Who paused; empty while nothing is."""
    reason: str
    """Why it is paused, in the words of who did it."""
    since: datetime | None
    """Since when it is paused."""
    damaged: str
    """Why the switch cannot be read; it then counts as paused."""
    unsaved: str
    """What this process alone holds, and loses when it ends, for the disk did not take it; else empty."""


class AlarmAnswer(Answer):
    """One condition of the market or account that is beyond its limit."""

    cause: str
    """Which condition."""
    threshold: float
    """Its limit."""
    value: float
    """What was seen."""
    where: str
    """In which pairs."""


class Breaker(Answer):
    """The circuit breaker."""

    frozen: bool
    """Whether entries are frozen."""
    since: datetime | None
    """Since when."""
    until: datetime | None
    """Until when at least."""
    alarms: list[AlarmAnswer]
    """Why."""


class Status(Answer):
    """What runs here."""

    version: str
    """Version of Agent Market."""
    runmode: str
    """freqtrade's run mode: live, dry_run or webserver."""
    attached: bool
    """Whether a bot in this process runs behind the risk gate."""
    strategy: str | None
    """Its strategy."""
    scope: str
    """Whose decisions the routes show unless they are asked for another `scope`."""
    has_store: bool
    """Whether decisions have been stored at all."""
    last_decision: datetime | None
    """Candle close of the newest decision."""
    switch: Switch
    """Kill switch and mode."""
    breaker: Breaker | None
    """Circuit breaker; null without a bot."""
    waiting: int
    """Entries that wait for a human's yes."""


class Run(Answer):
    """One run of the model that was noted."""

    scope: str
    """Its name here."""
    runmode: str
    """backtest, dry_run, live or other."""
    pairs: list[str]
    """Its pairs."""
    timeframe: str
    """Of its candles."""
    timerange: str
    """freqtrade's time range, empty where none was set."""
    agents: list[str]
    """Who sat in the committee."""
    llm_model: str
    """Which model answered."""
    version: str
    """Version of Agent Market."""
