"""Performance of a daily equity curve. Undefined values are None, never zero or infinity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

DAYS_A_YEAR = 365.0
DAYS_A_MONTH = DAYS_A_YEAR / 12
CAGR_NEEDS_DAYS = 365


@dataclass(frozen=True, slots=True)
class Performance:
    """Fractions, not per cent. `sharpe` and `sortino` are annualised with sqrt(365), risk-free rate 0.

    `cagr` is None for spans under a year, where it would be an extrapolation; `monthly` is the constant
    monthly growth with the same end; `max_drawdown` is the largest fall from a high, a positive fraction of
    that high; `calmar` is `cagr / max_drawdown`.
    """

    total_return: float
    monthly: float | None
    cagr: float | None
    sharpe: float | None
    sortino: float | None
    max_drawdown: float
    calmar: float | None
    days: float


def performance(equity: pd.Series, falls: pd.Series | None = None) -> Performance:
    """Measure a daily equity curve with at least one value, indexed by UTC time.

    :param falls: drawdown measured more finely than daily, if it was; None takes it from `equity`.
    """
    returns = daily_returns(equity)
    days = (equity.index[-1] - equity.index[0]) / pd.Timedelta(days=1)
    growth = float(equity.iloc[-1] / equity.iloc[0])
    worst = float((drawdown(equity) if falls is None else falls).max())
    cagr = growth_per(growth, days, DAYS_A_YEAR) if days >= CAGR_NEEDS_DAYS else None
    return Performance(
        total_return=growth - 1,
        monthly=growth_per(growth, days, DAYS_A_MONTH),
        cagr=cagr,
        sharpe=sharpe(returns),
        sortino=sortino(returns),
        max_drawdown=worst,
        calmar=cagr / worst if cagr is not None and worst > 0 else None,
        days=days,
    )


def daily_returns(equity: pd.Series) -> np.ndarray:
    """Simple returns from one point of the curve to the next; 0 once the account is ruined."""
    values = equity.to_numpy(dtype=float)
    before = values[:-1]
    return np.divide(np.diff(values), before, out=np.zeros(len(before)), where=before > 0)


def drawdown(equity: pd.Series) -> pd.Series:
    """Fall from the highest value so far, as a fraction of it, 0 at a high and at most 1 while solvent."""
    high = equity.cummax()
    return (high - equity) / high


def sharpe(returns: np.ndarray) -> float | None:
    """Mean over sample standard deviation (ddof 1), annualised; None under two days or without variation."""
    if len(returns) < 2:
        return None
    return _annualised(returns.mean(), float(returns.std(ddof=1)))


def sortino(returns: np.ndarray) -> float | None:
    """Mean over downside deviation about 0, over all days (Sortino & Price 1994), annualised."""
    if len(returns) < 2:
        return None
    return _annualised(returns.mean(), float(np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2))))


def growth_per(growth: float, days: float, period: float) -> float | None:
    """Constant growth per `period` days that gives `growth` (a ratio) over `days`; None without days."""
    if days <= 0:
        return None
    return float(max(growth, 0.0) ** (period / days) - 1)


def _annualised(mean: float, deviation: float) -> float | None:
    # A constant series has a deviation of rounding noise, not of exactly zero.
    if deviation < 1e-12:
        return None
    return float(mean / deviation * np.sqrt(DAYS_A_YEAR))
