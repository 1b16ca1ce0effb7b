"""Longer candles inside a panel: how they are made, and when each becomes known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from agent_market.errors import DataError
from agent_market.factors.panel import Array, CandlePanel
from agent_market.factors.warmup import bars_per

_JOINED = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}


@dataclass(frozen=True, slots=True)
class Coarse:
    """The panel of longer candles, and for each row of the original the newest of them that had closed.

    `known[t]` is a row of `panel`, or -1 where none had closed.
    """

    panel: CandlePanel
    known: Array

    def spread(self, values: Array) -> Array:
        """Values on the longer candles, (pairs, bars), as seen from each row of the original."""
        if not values.shape[1]:
            return np.full((values.shape[0], len(self.known)), np.nan)
        out = values[:, self.known]
        out[:, self.known < 0] = np.nan
        return out


def coarse(panel: CandlePanel, minutes: int) -> Coarse:
    """Join the candles of each bar of `minutes`, counted from midnight UTC.

    A bar is known at its close.  A bar that began before the panel is left out, for a part of it is
    unseen; one that has not closed by the last row is left out; one with no candle at all is NaN, one with
    some is made of those.
    """
    count = bars_per(panel.minutes, minutes)
    step = pd.Timedelta(minutes=panel.minutes)
    opened = ((panel.times - step).as_unit("s").asi8 // 60) % minutes
    if (opened % panel.minutes).any():
        raise DataError(f"candles of {panel.minutes} minutes do not start on whole multiples of the day")
    first = int(np.argmax(opened == 0)) if (opened == 0).any() else len(panel.times)
    bars = (len(panel.times) - first) // count
    last = first + bars * count
    columns = {
        name: _join(values[:, first:last].reshape(len(panel.pairs), bars, count), _JOINED.get(name, "last"))
        for name, values in panel.columns.items()
    }
    times = panel.times[first + count - 1 : last : count]
    known = (np.arange(len(panel.times)) - first + 1) // count - 1
    known[:first] = -1
    return Coarse(CandlePanel(times, panel.pairs, columns, minutes, panel.kinds), known)


def _join(parts: Array, how: str) -> Array:
    """Reduce the last axis, (pairs, bars, candles), over the candles that are there."""
    there = np.isfinite(parts)
    none = ~there.any(axis=2)
    if how == "sum":
        out = np.where(there, parts, 0.0).sum(axis=2)
    elif how == "max":
        out = np.where(there, parts, -np.inf).max(axis=2)
    elif how == "min":
        out = np.where(there, parts, np.inf).min(axis=2)
    else:
        ahead = there if how == "first" else there[:, :, ::-1]
        position = ahead.argmax(axis=2)
        if how == "last":
            position = parts.shape[2] - 1 - position
        out = np.take_along_axis(parts, position[:, :, None], axis=2)[:, :, 0]
    return np.where(none, np.nan, out)
