"""A market that never was: seeded, endless, and made up by the rules on this page.

It exists so that everything can be run and tested without an exchange. Nothing measured on it says
anything about a real market.

Days. A Markov chain over `REGIMES` gives each day a drift and a volatility; days of the market's common
return are drawn from a Student-t distribution (5 degrees of freedom, so tails are fat), and on rare days
a crash is added, followed by a bear regime. Pair i moves by beta_i times the common return plus a
Student-t return of its own, and its log price is pulled back to its long-run level with a half-life of
about a year, so that it neither dies nor explodes.

Minutes. The closes of days are joined by a bridge of 1,440 one-minute steps: Gaussian noise, common and
own in the same proportions, under a volatility that varies by the hour (log-normal: intraday clustering)
and with the time of day; a crash falls within six hours of its day. A minute's high and low are the
extremes of a Brownian bridge between its open and close (Karatzas & Shreve 1991, 2.8: P(max <= h) =
1 - exp(-2 h (h - x) / s^2)), drawn independently of each other. Traded value rises with the regime, the
hour and the minute's |return|.

Every draw is keyed by (seed, what, day), so a candle is the same whatever range it is asked in, and every
timeframe is the one-minute candles resampled. Serving a range costs time in proportion to its length.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from agent_market.errors import SandboxError
from agent_market.sandbox.market.candles import DAY, MINUTE, TIMEFRAMES, Candles, resample, timeframe_ms, utc

MINUTES = DAY // MINUTE
EPOCH = int(datetime(2017, 1, 1, tzinfo=UTC).timestamp() * 1000)
HORIZON = int(datetime(2050, 1, 1, tzinfo=UTC).timestamp() * 1000)
_DAYS = (HORIZON - EPOCH) // DAY


@dataclass(frozen=True, slots=True)
class Regime:
    """Mean and standard deviation of the market's daily log return, traded value, and mean length in days."""

    name: str
    drift: float
    volatility: float
    turnover: float
    days: float
    follows: float
    """How likely this regime is to be the next one, relative to the others."""


REGIMES = (
    Regime("bull-calm", 0.0035, 0.016, 1.0, 40.0, 0.30),
    Regime("bull-wild", 0.0060, 0.032, 2.0, 18.0, 0.15),
    Regime("range", 0.0000, 0.013, 0.7, 45.0, 0.30),
    Regime("bear-calm", -0.0030, 0.019, 0.9, 30.0, 0.15),
    Regime("bear-wild", -0.0070, 0.038, 2.2, 14.0, 0.10),
)
_AFTER_CRASH = 4
_CRASHES_PER_DAY = 1 / 250
_CRASH_DEPTH = (0.06, 0.24)
_CRASH_MINUTES = 360
_TAIL = 5.0
_PULL = np.log(2) / 360


@dataclass(frozen=True, slots=True)
class Coin:
    """One pair: long-run price in the quote currency, decimals, co-movement, own daily volatility."""

    price: float
    decimals: int
    beta: float
    volatility: float
    turnover: float
    """Value traded in an ordinary minute, in the quote currency."""


COINS = {
    "BTC/USDT": Coin(30_000.0, 2, 1.00, 0.008, 900_000.0),
    "ETH/USDT": Coin(1_900.0, 2, 1.15, 0.017, 500_000.0),
    "BNB/USDT": Coin(300.0, 2, 0.95, 0.019, 120_000.0),
    "SOL/USDT": Coin(60.0, 3, 1.45, 0.028, 150_000.0),
    "XRP/USDT": Coin(0.60, 5, 1.05, 0.024, 130_000.0),
}
DEFAULT_PAIRS = tuple(COINS)


class SyntheticSource:
    """One seeded market over [start, end), one-minute candles and up.

    :param seed: any integer; another seed is another market.
    :param pairs: "BASE/QUOTE"; those outside `COINS` get parameters derived from their name.
    :param start: ms; not before 2017-01-01.
    :param end: ms; not after 2050-01-01, which it is by default.
    """

    def __init__(
        self, seed: int, pairs: Sequence[str] = DEFAULT_PAIRS, start: int = EPOCH, end: int = HORIZON
    ) -> None:
        if not EPOCH <= start < end <= HORIZON:
            raise SandboxError(
                f"the synthetic market runs from 2017-01-01 to 2050-01-01; asked for {utc(start)} to "
                f"{utc(end)}"
            )
        malformed = [pair for pair in pairs if pair.count("/") != 1 or not all(pair.split("/"))]
        if malformed or not pairs:
            raise SandboxError(f"pairs are written BASE/QUOTE, got {malformed or 'none'}")
        self._seed = seed
        self._span = (start // MINUTE * MINUTE, end // MINUTE * MINUTE)
        self._climate = _climate(seed)
        self._coins = {pair: COINS.get(pair) or _coin_named(pair) for pair in pairs}
        self._levels = {pair: _levels(seed, pair, coin, self._climate) for pair, coin in self._coins.items()}

    @property
    def pairs(self) -> tuple[str, ...]:
        return tuple(self._coins)

    @property
    def timeframes(self) -> tuple[str, ...]:
        return tuple(TIMEFRAMES)

    def span(self, pair: str) -> tuple[int, int]:
        self._coin(pair)
        return self._span

    def price_decimals(self, pair: str) -> int:
        return self._coin(pair).decimals

    def regime(self, time: int) -> str:
        """Name of the regime of the day that covers `time`."""
        return REGIMES[self._climate.regime[(time - EPOCH) // DAY]].name

    def candles(self, pair: str, timeframe: str, start: int, end: int) -> Candles:
        coin, length = self._coin(pair), timeframe_ms(timeframe)
        first, last = max(start, self._span[0]), min(end + length, self._span[1])
        if first >= last:
            return Candles.empty()
        days = np.arange((first - EPOCH) // DAY, -((EPOCH - last) // DAY))
        return resample(self._minutes(pair, coin, days).between(first, last), length).between(start, end)

    def _coin(self, pair: str) -> Coin:
        if pair not in self._coins:
            raise SandboxError(f"unknown pair {pair!r}; the market has {', '.join(self._coins)}")
        return self._coins[pair]

    def _minutes(self, pair: str, coin: Coin, days: np.ndarray) -> Candles:
        """One-minute candles of whole days; every array below is (days, minutes)."""
        common = [_common_draws(self._seed, int(day)) for day in days]
        own = [_own_draws(self._seed, pair, int(day)) for day in days]
        together, hours = np.stack([c[0] for c in common]), np.stack([c[1] for c in common])
        alone, trade, up, down = (np.stack(part) for part in zip(*own, strict=True))

        bustle = np.repeat(np.exp(0.35 * hours), 60, axis=1) * _TIME_OF_DAY
        share = bustle**2 / np.sum(bustle**2, axis=1, keepdims=True)  # of the day's variance
        with_market = coin.beta * self._climate.volatility[days, None]
        steps = np.sqrt(share) * (with_market * together + coin.volatility * alone)
        crash = coin.beta * self._climate.crash[days, None] * _crash_path(self._climate.crash_minute[days])

        level = self._levels[pair][days, None]
        target = self._levels[pair][days + 1, None]
        steps += share * (
            target - level - crash.sum(axis=1, keepdims=True) - steps.sum(axis=1, keepdims=True)
        )
        closes = level + np.cumsum(steps + crash, axis=1)
        closes[:, -1:] = target  # exactly, so that the next day opens where this one closed
        opens = np.concatenate([level, closes[:, :-1]], axis=1)

        moved = closes - opens
        spread = np.sqrt(share) * np.hypot(with_market, coin.volatility)
        highs = opens + (moved + np.sqrt(moved**2 - 2 * spread**2 * np.log(up))) / 2
        lows = opens + (moved - np.sqrt(moved**2 - 2 * spread**2 * np.log(down))) / 2
        activity = np.sqrt(self._climate.turnover[days, None]) * bustle * np.exp(0.6 * trade)
        value = coin.turnover * activity * (0.3 + 0.7 * np.minimum(np.abs(moved) / spread, 20.0))

        tick = 10.0**-coin.decimals
        opened, high, low, closed = (
            np.maximum(np.round(coin.price * np.exp(log.ravel()), coin.decimals), tick)
            for log in (opens, highs, lows, closes)
        )
        time = (EPOCH + days[:, None] * DAY + np.arange(MINUTES) * MINUTE).ravel()
        volume = np.round(value.ravel() / (coin.price * np.exp(closes.ravel())), 5)
        return Candles(time.astype(np.int64), opened, high, low, closed, volume)


@dataclass(frozen=True, slots=True)
class _Climate:
    """The common state of each day: arrays over all days of the market."""

    regime: np.ndarray
    volatility: np.ndarray
    turnover: np.ndarray
    common: np.ndarray
    """The market's log return, crash included."""
    crash: np.ndarray
    """Log depth of the day's crash, 0 on the others."""
    crash_minute: np.ndarray


def _climate(seed: int) -> _Climate:
    draws = _generator(seed, "climate")
    switch, choice, strike, depth = draws.random((4, _DAYS))
    tail = _unit_student(draws, _DAYS)
    crashed = strike < _CRASHES_PER_DAY
    regime = _regime_chain(switch, choice, crashed)
    volatility, turnover, drift = (
        np.array([getattr(r, name) for r in REGIMES])[regime] for name in ("volatility", "turnover", "drift")
    )
    crash = np.where(crashed, np.log1p(-(_CRASH_DEPTH[0] + np.ptp(_CRASH_DEPTH) * depth)), 0.0)
    minute = draws.integers(0, MINUTES - _CRASH_MINUTES, _DAYS)
    return _Climate(regime, volatility, turnover, drift + volatility * tail + crash, crash, minute)


def _regime_chain(switch: np.ndarray, choice: np.ndarray, crashed: np.ndarray) -> np.ndarray:
    leave = [1 / regime.days for regime in REGIMES]
    likely = np.array([regime.follows for regime in REGIMES])
    bounds = []
    for current in range(len(REGIMES)):
        others = np.where(np.arange(len(REGIMES)) == current, 0.0, likely)
        bounds.append(np.cumsum(others / others.sum())[:-1])
    state, chain = 0, np.empty(_DAYS, np.int64)
    for day in range(_DAYS):
        chain[day] = state
        if crashed[day]:
            state = _AFTER_CRASH
        elif switch[day] < leave[state]:
            state = int(np.searchsorted(bounds[state], choice[day], side="right"))
    return chain


def _levels(seed: int, pair: str, coin: Coin, climate: _Climate) -> np.ndarray:
    """Log of price / long-run price at the start of each day, one more than there are days."""
    draws = _generator(seed, pair, "days")
    returns = coin.beta * climate.common + coin.volatility * _unit_student(draws, _DAYS)
    levels = np.empty(_DAYS + 1)
    levels[0] = level = 0.25 * float(draws.standard_normal())
    for day, change in enumerate(returns.tolist()):
        level += change - _PULL * level
        levels[day + 1] = level
    return levels


def _common_draws(seed: int, day: int) -> tuple[np.ndarray, np.ndarray]:
    draws = _generator(seed, "market", day)
    return draws.standard_normal(MINUTES), draws.standard_normal(24)


def _own_draws(seed: int, pair: str, day: int) -> tuple[np.ndarray, ...]:
    draws = _generator(seed, pair, day)
    normal, uniform = draws.standard_normal((2, MINUTES)), 1.0 - draws.random((2, MINUTES))
    return normal[0], normal[1], uniform[0], uniform[1]


def _crash_path(first: np.ndarray) -> np.ndarray:
    """(days, minutes): share of a crash that falls in each minute; most of it at once, then less and less."""
    since = np.arange(MINUTES) - first[:, None]
    falling = np.where((since >= 0) & (since < _CRASH_MINUTES), np.exp(-np.maximum(since, 0) / 90.0), 0.0)
    return falling / falling.sum(axis=1, keepdims=True)


def _unit_student(draws: np.random.Generator, size: int) -> np.ndarray:
    """Student-t of unit variance, cut at 8 standard deviations."""
    return np.clip(draws.standard_t(_TAIL, size) / np.sqrt(_TAIL / (_TAIL - 2)), -8.0, 8.0)


def _generator(seed: int, *what: str | int) -> np.random.Generator:
    """A generator of its own for each key. Philox is counter-based: any key is a good one, and cheap."""
    digest = hashlib.blake2b(repr((seed, *what)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def _coin_named(pair: str) -> Coin:
    draws = _generator(0, pair, "coin")
    price = float(np.round(10 ** draws.uniform(-1, 2), 2))
    decimals = 5 - int(np.floor(np.log10(price)))
    volatility, beta = draws.uniform(0.018, 0.035), draws.uniform(0.8, 1.4)
    return Coin(price, decimals, float(beta), float(volatility), float(10 ** draws.uniform(4.3, 5.0)))


# Busiest at 16:00 UTC, quietest at 04:00.
_TIME_OF_DAY = 1 + 0.35 * np.sin(2 * np.pi * (np.arange(MINUTES) / MINUTES - 10 / 24))
