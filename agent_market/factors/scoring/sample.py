"""The times at which factors are compared with what came after, and the returns that came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agent_market.errors import DataError
from agent_market.factors.panel import Array, CandlePanel
from agent_market.factors.scoring.settings import ScoringSettings


def forward_returns(panel: CandlePanel, horizon: int) -> Array:
    """What a position entered at the next open makes by the close `horizon` candles later, (pairs, times).

    close[t + horizon] / open[t + 1] - 1: the decision of row t is made at its close and trades from the next
    candle on. NaN where either candle is missing, and in the last `horizon` rows.
    """
    out = np.full(panel.columns["close"].shape, np.nan)
    if horizon < len(panel.times):
        entry = panel.columns["open"][:, 1 : len(panel.times) - horizon + 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            out[:, :-horizon] = panel.columns["close"][:, horizon:] / entry - 1
    out[~np.isfinite(out)] = np.nan
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Rows of a panel, evenly spaced, and the returns after each.

    `returns[h]` has shape (rows, pairs). Rows whose return over the scored horizon is not yet complete are
    not in the sample, so a span that ends at `stop` uses nothing after it.
    """

    rows: Array
    returns: dict[int, Array]
    present: Array

    @classmethod
    def of(
        cls, panel: CandlePanel, settings: ScoringSettings, start: int = 0, stop: int | None = None
    ) -> Sample:
        """Sample rows `start` to `stop` (not included) of the panel.

        :raises DataError: if no row has a complete return.
        """
        stop = len(panel.times) if stop is None else stop
        rows = np.arange(start, stop - settings.horizon, settings.step)
        if not len(rows):
            raise DataError(
                f"{stop - start} rows hold no complete return over {settings.horizon} candles; "
                "take a longer span"
            )
        span = panel.window(0, stop)
        horizons = sorted({settings.horizon, *settings.horizons})
        returns = {h: np.ascontiguousarray(forward_returns(span, h)[:, rows].T) for h in horizons}
        return cls(rows, returns, np.ascontiguousarray(panel.present[:, rows].T))

    def take(self, values: Array, lag: int = 0) -> Array:
        """The factor, (pairs, times), at the sampled rows (or `lag` rows before): (rows, pairs)."""
        return np.ascontiguousarray(values[:, self.rows - lag].T)
