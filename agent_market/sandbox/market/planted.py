"""Worlds with one known rule, or none: what a search must find there, and where it must find nothing.

Hourly candles of one pair, a volatility index, events and spreads, all seeded.  The series are drawn the same
way in every world; only the rule ties them together, so a null world looks like the others:

    vix_trend         the price follows its last day's direction while the index is at most 30, and goes
                      against it above: trend following loses while vix > 30
    event_momentum    for a day after an event of the kind `MOMENTUM_KIND`, the price goes on in the
                      direction of the event's own hour
    tuesday_spread    the spread is double on Tuesdays (UTC)
    none              nothing follows from anything

Each rule's effect is `EDGE` (log return an hour) under noise of `NOISE`: plain to a simple statistic over two
years, and far above costs only if held for hours.  Nothing found here says anything about a real market.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from agent_market.errors import SandboxError
from agent_market.sandbox.market.candles import DAY, HOUR, TIMEFRAMES, Candles, resample, timeframe_ms

PlantedRule = Literal["vix_trend", "event_momentum", "tuesday_spread", "none"]
RULES: tuple[PlantedRule, ...] = get_args(PlantedRule)

VIX_LIMIT = 30.0
MOMENTUM_KIND = "listing"
EVENT_KINDS = (MOMENTUM_KIND, "outage", "upgrade")
EDGE = 0.001
NOISE = 0.006
TREND_HOURS = 24
MOMENTUM_HOURS = 24
USUAL_SPREAD = 0.0004
DEFAULT_START = int(datetime(2022, 1, 1, tzinfo=UTC).timestamp() * 1000)
DEFAULT_DAYS = 730

_EVENT_EVERY_HOURS = 100.0  # of each kind
_VIX_MEAN, _VIX_PULL, _VIX_NOISE = np.log(24.0), 0.03, 0.07

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PlantedEvent:
    """Something that happened in the hour that opens at `time` (ms); it is known when that hour closes."""

    time: int
    kind: str

    @property
    def known_at(self) -> int:
        return self.time + HOUR


class PlantedSource:
    """A `Source` of one pair whose price, index, events and spreads obey `rule`.

    :param rule: one of `RULES`.
    :param seed: any integer; another seed is another world.
    :param start: ms, a whole day; the candles open there.
    :param days: length of the world.
    :raises SandboxError: for an unknown rule, a start inside a day, or fewer than two days.
    """

    def __init__(
        self,
        rule: PlantedRule,
        seed: int,
        pair: str = "BTC/USDT",
        start: int = DEFAULT_START,
        days: int = DEFAULT_DAYS,
    ) -> None:
        if rule not in RULES:
            raise SandboxError(f"unknown planted rule {rule!r}; choose one of {', '.join(RULES)}")
        if start % DAY or days < 2:
            raise SandboxError(
                f"a planted world starts at 00:00 UTC and has 2 days or more, got {start}, {days}"
            )
        self.rule, self.pair = rule, pair
        hours = days * 24
        self._times = start + np.arange(hours, dtype=np.int64) * HOUR
        self._vix = _vix(_draws(seed, "vix"), days)
        self._events = _events(_draws(seed, "events"), self._times)
        self._spreads = _spreads(_draws(seed, "spread"), self._times, doubled=rule == "tuesday_spread")
        returns = _returns(_draws(seed, "returns"), self._times, self._vix, self._events, rule)
        self._candles = _candles(_draws(seed, "candles"), self._times, returns)

    @property
    def pairs(self) -> tuple[str, ...]:
        return (self.pair,)

    @property
    def timeframes(self) -> tuple[str, ...]:
        return tuple(name for name, length in TIMEFRAMES.items() if length >= HOUR)

    @property
    def events(self) -> tuple[PlantedEvent, ...]:
        """All events, in order of time."""
        return self._events

    def span(self, pair: str) -> tuple[int, int]:
        self._check(pair)
        return int(self._times[0]), int(self._times[-1]) + HOUR

    def price_decimals(self, pair: str) -> int:
        self._check(pair)
        return 2

    def candles(self, pair: str, timeframe: str, start: int, end: int) -> Candles:
        self._check(pair)
        length = timeframe_ms(timeframe)
        if timeframe not in self.timeframes:
            raise SandboxError(f"a planted world has candles of 1h and longer, not {timeframe}")
        return resample(self._candles.between(start, end + length), length).between(start, end)

    def vix(self, time: int) -> float:
        """The index as known at `time` (ms): that of the last day that is over; NaN before there is one."""
        day = (time - int(self._times[0])) // DAY - 1
        return float(self._vix[min(day, len(self._vix) - 1)]) if day >= 0 else float("nan")

    def spreads(self) -> tuple[npt.NDArray[np.int64], Floats]:
        """(T,) open times (ms) and (T,) the mean spread of each hour as a fraction of price."""
        return self._times.copy(), self._spreads.copy()

    def _check(self, pair: str) -> None:
        if pair != self.pair:
            raise SandboxError(f"unknown pair {pair!r}; the planted world has {self.pair}")


def _draws(seed: int, what: str) -> np.random.Generator:
    digest = hashlib.blake2b(repr((seed, "planted", what)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def _vix(draws: np.random.Generator, days: int) -> Floats:
    """(days,) the index at the end of each day: a mean-reverting walk of its log, at times above 30."""
    level, values = _VIX_MEAN, np.empty(days)
    for day, noise in enumerate(draws.standard_normal(days)):
        level += _VIX_PULL * (_VIX_MEAN - level) + _VIX_NOISE * noise
        values[day] = np.exp(level)
    return values


def _events(draws: np.random.Generator, times: npt.NDArray[np.int64]) -> tuple[PlantedEvent, ...]:
    happened = np.flatnonzero(draws.random(len(times)) < 1.0 / _EVENT_EVERY_HOURS * len(EVENT_KINDS))
    kinds = draws.integers(len(EVENT_KINDS), size=len(happened))
    return tuple(
        PlantedEvent(int(times[row]), EVENT_KINDS[kind]) for row, kind in zip(happened, kinds, strict=True)
    )


def _spreads(draws: np.random.Generator, times: npt.NDArray[np.int64], *, doubled: bool) -> Floats:
    usual = USUAL_SPREAD * np.exp(0.3 * draws.standard_normal(len(times)))
    weekday = (times // DAY + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    return np.where((weekday == 1) & doubled, 2.0 * usual, usual)


def _returns(
    draws: np.random.Generator,
    times: npt.NDArray[np.int64],
    vix: Floats,
    events: tuple[PlantedEvent, ...],
    rule: PlantedRule,
) -> Floats:
    """(T,) hourly log returns; each depends on what was known when its hour opened."""
    returns = NOISE * draws.standard_normal(len(times))
    listed = {event.time for event in events if event.kind == MOMENTUM_KIND}
    until, direction = -1, 0.0
    for row in range(TREND_HOURS, len(times)):
        if rule == "vix_trend":
            trend = np.sign(returns[row - TREND_HOURS : row].sum())
            returns[row] += EDGE * (trend if vix[row // 24 - 1] <= VIX_LIMIT else -trend)
        elif rule == "event_momentum":
            if int(times[row - 1]) in listed:
                until, direction = row + MOMENTUM_HOURS, float(np.sign(returns[row - 1]))
            if row < until:
                returns[row] += EDGE * direction
    return returns


def _candles(draws: np.random.Generator, times: npt.NDArray[np.int64], returns: Floats) -> Candles:
    # Drift is taken out, so that prices stay prices over any number of years.
    path = np.cumsum(returns)
    path -= np.linspace(0.0, path[-1], len(path)) * (abs(path[-1]) > 2.0)
    close = np.round(30_000.0 * np.exp(path), 2)
    opened = np.concatenate([[30_000.0], close[:-1]])
    up, down = NOISE / 3 * np.abs(draws.standard_normal((2, len(times))))
    high = np.round(np.maximum(opened, close) * np.exp(up), 2)
    low = np.round(np.minimum(opened, close) * np.exp(-down), 2)
    volume = np.round(50.0 * np.exp(0.5 * draws.standard_normal(len(times))), 8)
    return Candles(times, opened, high, low, close, volume)
