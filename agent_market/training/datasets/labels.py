"""Labels, each with the time at which it became known.

Row t is a decision at the close of candle t.  A label looks ahead by design; `known_at` says how far, and no
row may be trained on before it (`Dataset.purged_split`).  Volatility is that of one-candle log returns
over the `volatility_window` candles up to t: only the outcome itself lies ahead.

return          ln(close[t+h] / close[t]) scaled          that, divided by volatility x sqrt(h) up
1 where close[t+h] > close[t] x exp(band), else 0 triple_barrier  1 or -1 for the barrier touched first, 0
for neither within h candles (Lopez de Prado 2018, ch. 3); barriers at close[t] x exp(+-width x volatility x
sqrt(h)); a candle that touches both counts as -1 reward          open[t+2] / open[t+1] - 1: what a position
of 1, decided at the close of t and filled at the next open, earns until it can be changed again
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from agent_market.candles import epoch_seconds
from agent_market.config import Settings
from agent_market.errors import DataError
from agent_market.utils.arrays import Floats, Ints

Kind = Literal["return", "scaled", "up", "triple_barrier", "reward"]

CLASSES: tuple[Kind, ...] = ("up", "triple_barrier")
"""Kinds that a classifier can learn."""
UNKNOWN = np.iinfo(np.int64).max
"""`known_at` of a label that is not known within the candles."""


class LabelSettings(Settings):
    """One label."""

    kind: Kind = "scaled"
    """Kind of the label."""
    horizon: int = Field(default=12, ge=1, le=100_000)
    """Candles ahead (`reward` always has one)."""
    volatility_window: int = Field(default=24, ge=2)
    """Candles of the volatility (`scaled`, `triple_barrier`)."""
    width: float = Field(default=1.0, gt=0)
    """Barriers in standard deviations over the horizon (`triple_barrier`)."""
    band: float = Field(default=0.0, ge=0)
    """How much the log price must rise to count as up (`up`)."""
    relative: bool = False
    """Subtract the mean over all pairs that have the label at that time (`return`, `scaled`, `reward`)."""

    @property
    def name(self) -> str:
        """Column name: kind, horizon, and settings that differ from their default."""
        parts: list[str] = [self.kind] if self.kind == "reward" else [self.kind, str(self.horizon)]
        plain = LabelSettings(kind=self.kind, horizon=self.horizon)
        for field in ("volatility_window", "width", "band"):
            if getattr(self, field) != getattr(plain, field):
                parts.append(f"{field}={getattr(self, field):g}")
        return "_".join([*parts, "relative"] if self.relative else parts)


@dataclass(frozen=True, slots=True)
class Label:
    """(T,) values, NaN where not known, and (T,) epoch seconds at which each became known, else `UNKNOWN`."""

    values: Floats
    known_at: Ints


class LabelBuilder:
    """Compute labels of one or several pairs.

    :param settings: the labels; their names must differ.
    :param timeframe_s: seconds of a candle.
    """

    def __init__(self, settings: tuple[LabelSettings, ...], timeframe_s: int) -> None:
        names = [one.name for one in settings]
        if not names or len(set(names)) < len(names):
            raise DataError(f"labels need different names, got {names}; remove the duplicates")
        for one in settings:
            if one.relative and one.kind in CLASSES:
                raise DataError(f"label {one.name}: a class has no mean over pairs; use `return` or `scaled`")
        self.settings, self.timeframe_s = settings, timeframe_s

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.settings)

    def build(self, candles: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, Label]]:
        """Return the labels by pair and name, one row per candle.

        :param candles: by pair: `date` (open time), `open`, `high`, `low`, `close`, in order of time.
        :raises DataError: candles are empty or out of order, or a price is not above 0.
        """
        for pair, frame in candles.items():
            _check(pair, frame)
        built: dict[str, dict[str, Label]] = {pair: {} for pair in candles}
        for one in self.settings:
            labels = {pair: label_of(frame, one, self.timeframe_s) for pair, frame in candles.items()}
            if one.relative:
                labels = _relative(labels, {pair: epoch_seconds(f["date"]) for pair, f in candles.items()})
            for pair, label in labels.items():
                built[pair][one.name] = label
        return built


def label_of(candles: pd.DataFrame, settings: LabelSettings, timeframe_s: int) -> Label:
    """Compute one label of one pair, without subtracting the mean of `relative`."""
    close = candles["close"].to_numpy(dtype=float)
    closes_s = epoch_seconds(candles["date"]) + timeframe_s
    if settings.kind == "reward":
        opens = candles["open"].to_numpy(dtype=float)
        values = _ahead(opens, 2) / _ahead(opens, 1) - 1.0
        # The open of candle t+2 is known when it opens; its close is not needed.
        return _known(values, np.append(epoch_seconds(candles["date"])[2:], [UNKNOWN] * min(2, len(close))))
    h = settings.horizon
    later_s = np.append(closes_s[h:], [UNKNOWN] * min(h, len(close))).astype(np.int64)
    move = np.log(_ahead(close, h) / close)
    if settings.kind == "return":
        return _known(move, later_s)
    if settings.kind == "up":
        return _known(np.where(np.isnan(move), np.nan, (move > settings.band).astype(float)), later_s)
    expected = _volatility(close, settings.volatility_window) * np.sqrt(h)
    if settings.kind == "scaled":
        return _known(np.divide(move, expected, out=np.full(len(move), np.nan), where=expected > 0), later_s)
    return _barriers(candles, close, expected * settings.width, h, closes_s)


def _barriers(candles: pd.DataFrame, close: Floats, width: Floats, h: int, closes_s: Ints) -> Label:
    high, low = (candles[name].to_numpy(dtype=float) for name in ("high", "low"))
    upper, lower = close * np.exp(width), close * np.exp(-width)
    values = np.full(len(close), np.nan)
    known = np.full(len(close), UNKNOWN, dtype=np.int64)
    open_ = np.isfinite(width) & (width > 0)
    for ahead in range(1, h + 1):
        reached_low = open_ & (_ahead(low, ahead) <= lower)
        reached_high = open_ & (_ahead(high, ahead) >= upper) & ~reached_low
        for rows, value in ((reached_low, -1.0), (reached_high, 1.0)):
            values[rows] = value
            known[rows] = closes_s[np.flatnonzero(rows) + ahead]
        open_ = open_ & ~reached_low & ~reached_high
    ended = np.flatnonzero(open_[: max(len(close) - h, 0)])
    values[ended], known[ended] = 0.0, closes_s[ended + h]
    return Label(values, known)


def _relative(labels: Mapping[str, Label], times: Mapping[str, Ints]) -> dict[str, Label]:
    """Subtract the mean over the pairs at each time; known once the last of them is known."""
    values = pd.DataFrame({pair: pd.Series(one.values, times[pair]) for pair, one in labels.items()})
    known = pd.DataFrame(
        {pair: pd.Series(one.known_at, times[pair])[~np.isnan(one.values)] for pair, one in labels.items()}
    )
    mean, last = values.mean(axis=1), known.max(axis=1)
    relative = {}
    for pair, one in labels.items():
        rest = one.values - mean.reindex(times[pair]).to_numpy()
        relative[pair] = _known(rest, last.reindex(times[pair]).fillna(0).to_numpy().astype(np.int64))
    return relative


def _known(values: Floats, known_at: Ints) -> Label:
    return Label(values, np.where(np.isnan(values), UNKNOWN, known_at).astype(np.int64))


def _ahead(values: Floats, rows: int) -> Floats:
    return np.append(values[rows:], [np.nan] * min(rows, len(values)))


def _volatility(close: Floats, window: int) -> Floats:
    returns = pd.Series(np.log(close)).diff()
    return returns.rolling(window).std().to_numpy()


def _check(pair: str, candles: pd.DataFrame) -> None:
    if candles.empty:
        raise DataError(f"no candles of {pair} to label; download them, or leave the pair out")
    dates = epoch_seconds(candles["date"])
    if (np.diff(dates) <= 0).any():
        row = int(np.flatnonzero(np.diff(dates) <= 0)[0]) + 1
        raise DataError(f"candles of {pair} are out of order or duplicated in row {row}; sort them by date")
    prices = candles[["open", "high", "low", "close"]].to_numpy(dtype=float)
    if not (prices > 0).all():
        row = int(np.flatnonzero(~(prices > 0).all(axis=1))[0])
        raise DataError(
            f"candles of {pair} have a price that is not above 0 in row {row}; download them again"
        )
