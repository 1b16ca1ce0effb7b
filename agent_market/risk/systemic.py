"""Market-wide danger, read from candles, ticks and the account: pure, the same in backtests and live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np

from agent_market.config import BreakerSettings

Cause = Literal[
    "vix",
    "pairs_crashing",
    "volatility_spike",
    "flash_crash",
    "day_loss",
    "stale_data",
    "no_free_funds",
    "clock_skew",
    "damaged_state",
]


@dataclass(frozen=True, slots=True)
class Alarm:
    """One condition that is beyond its limit: the limit, the value seen, and where.

    `known_at` is when its evidence was first seen, from which a freeze counts; None = at the look itself.
    """

    cause: Cause
    threshold: float
    value: float
    where: str = ""
    known_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Readings:
    """What the breaker looks at; what is not known is absent.

    `moves` are returns of each pair over `crashing_candles`, `candle_falls` the fall within the newest candle
    (>= 0, as a fraction), `tick_falls` that within the tick window, `volatility` present over usual
    volatility, `candle_age` the newest candle's age in candles after its close.
    """

    moves: Mapping[str, float] = field(default_factory=dict)
    candle_falls: Mapping[str, float] = field(default_factory=dict)
    tick_falls: Mapping[str, float] = field(default_factory=dict)
    volatility: Mapping[str, float] = field(default_factory=dict)
    vix: float | None = None
    day_return: float | None = None
    candle_age: Mapping[str, float] = field(default_factory=dict)
    tick_age_s: float | None = None
    free_share: float | None = None


def alarms(readings: Readings, settings: BreakerSettings, free_funds: float = 0.0) -> tuple[Alarm, ...]:
    """Every condition that holds now.

    :param free_funds: share of equity at or under which no funds are free for an entry.
    """
    found: list[Alarm] = []
    if readings.vix is not None and readings.vix > settings.vix:
        found.append(Alarm("vix", settings.vix, readings.vix))
    if len(readings.moves) >= 2:
        down = [pair for pair, move in readings.moves.items() if move <= -settings.crashing_move]
        share = len(down) / len(readings.moves)
        if share >= settings.crashing_share:
            found.append(Alarm("pairs_crashing", settings.crashing_share, share, ", ".join(sorted(down)[:5])))
    if readings.volatility:
        middle = float(np.median(list(readings.volatility.values())))
        if middle > settings.volatility_spike:
            found.append(Alarm("volatility_spike", settings.volatility_spike, middle))
    for falls in (readings.candle_falls, readings.tick_falls):
        pair = max(falls, key=falls.__getitem__, default=None)
        if pair is not None and falls[pair] > settings.flash_crash:
            found.append(Alarm("flash_crash", settings.flash_crash, falls[pair], pair))
    if readings.day_return is not None and readings.day_return < -settings.day_loss:
        found.append(Alarm("day_loss", settings.day_loss, -readings.day_return))
    found.extend(_stale(readings, settings))
    if readings.free_share is not None and readings.free_share <= free_funds:
        found.append(Alarm("no_free_funds", free_funds, readings.free_share))
    return tuple(found)


def _stale(readings: Readings, settings: BreakerSettings) -> list[Alarm]:
    found = []
    if readings.candle_age:
        youngest = min(readings.candle_age, key=readings.candle_age.__getitem__)
        age = readings.candle_age[youngest]
        if age > settings.stale_candles:  # every pair's candles are that old
            found.append(Alarm("stale_data", settings.stale_candles, age, "candles"))
        ahead = max(-age for age in readings.candle_age.values())
        if ahead > settings.clock_candles:
            found.append(Alarm("clock_skew", settings.clock_candles, ahead, "candles from the future"))
    if readings.tick_age_s is not None and readings.tick_age_s > settings.stale_ticks_s:
        found.append(Alarm("stale_data", settings.stale_ticks_s, readings.tick_age_s, "tickers"))
    return found
