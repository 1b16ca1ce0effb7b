"""Textbook trading rules: the baselines that a committee has to beat, and the arithmetic of its trend agents.

Every rule maps closing prices to a position: a share of the pair's capital in [0, 1] (in [-1, 1] for carry).
All are causal: row t depends on rows <= t alone, so cutting off the future changes no row
(`tests/decision/test_textbook.py`).

Sources: time-series momentum (Moskowitz, Ooi & Pedersen 2012), volatility targeting (Moreira & Muir 2017),
cross-sectional momentum (Jegadeesh & Titman 1993), carry (Koijen, Moskowitz, Pedersen & Vrugt 2018), the
moving average as a market filter (Faber 2007).

Conventions: `close` is (T, P), one row a bar, bars equally spaced with gaps filled by the last price known
(`evaluation.textbook.PriceGrid`); NaN before a pair's first price and where a window is not full.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]

TREND_DAYS = (10, 20, 30, 60, 90)
FILTER_DAYS = 100
VOLATILITY_DAYS = 30
VOLATILITY_TARGET = 0.40
DAYS_A_YEAR = 365.25
_LEAST_VOLATILITY = 1e-6


def past_return(close: Floats, bars: int) -> Floats:
    """(T, P) return over the last `bars` bars; NaN on the first `bars` rows."""
    later = np.full_like(close, np.nan)
    if bars < len(close):
        later[bars:] = close[bars:] / close[:-bars] - 1.0
    return later


def trend_share(close: Floats, days: Sequence[int], bars_per_day: int) -> Floats:
    """(T, P) share, in [0, 1], of the horizons over which the price has risen; NaN until all are known."""
    risen = [
        np.where(np.isnan(r), np.nan, r > 0.0) for r in (past_return(close, d * bars_per_day) for d in days)
    ]
    return np.mean(risen, axis=0)


def above_mean(close: Floats, days: int, bars_per_day: int) -> Floats:
    """(T, P) 1 where the price is above its mean of the last `days` days, else 0; NaN until that is known."""
    bars = days * bars_per_day
    mean = pd.DataFrame(close).rolling(bars, min_periods=bars).mean().to_numpy()
    return np.where(np.isnan(mean) | np.isnan(close), np.nan, close > mean)


def annual_volatility(close: Floats, days: int, bars_per_day: int) -> Floats:
    """(T, P) standard deviation of log returns of the last `days` days, a year; NaN until known."""
    bars = days * bars_per_day
    moves = pd.DataFrame(np.log(close)).diff()
    deviation = moves.rolling(bars, min_periods=bars).std(ddof=0).to_numpy()
    return deviation * np.sqrt(DAYS_A_YEAR * bars_per_day)


def volatility_scale(volatility: Floats, target: float) -> Floats:
    """Position that brings `volatility` (a year, > 0) to `target`, at most 1; NaN stays NaN."""
    return np.minimum(target / np.maximum(volatility, _LEAST_VOLATILITY), 1.0)


def market_index(close: Floats, pairs: Sequence[str], leader: str = "BTC") -> Floats:
    """(T, 1) the market: the pair of `leader` where it is among `pairs`, else all pairs in equal shares.

    The equal-share index compounds the mean return of the pairs that have a price on both bars, from 1.
    """
    for column, pair in enumerate(pairs):
        if pair.split("/")[0] == leader:
            return close[:, [column]]
    moves = past_return(close, 1)
    known = np.isfinite(moves)
    mean = np.where(known, moves, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    return np.cumprod(1.0 + mean)[:, None]


def cross_sectional(close: Floats, days: int, bars_per_day: int, share: float = 1 / 3) -> Floats:
    """(T, P) 1 for the `share` of the pairs with the largest return over `days` days (at least one), else 0.

    Rows on which fewer than two pairs have a return are NaN. Ties go to the earlier column.
    """
    returns = past_return(close, days * bars_per_day)
    known = np.isfinite(returns)
    count = known.sum(axis=1)
    rank = np.argsort(np.argsort(np.where(known, -returns, np.inf), axis=1, kind="stable"), axis=1)
    chosen = known & (rank < np.maximum(np.round(count * share), 1)[:, None])
    return np.where((count >= 2)[:, None], chosen.astype(float), np.nan)


def carry_position(funding: Floats, days: int, bars_per_day: int) -> Floats:
    """(T, P) the side that is paid the funding: -1 where its mean of `days` days is positive, else 1.

    :param funding: (T, P) rate charged to longs at each bar, 0 on bars without a charge; NaN unknown.
    """
    bars = days * bars_per_day
    mean = pd.DataFrame(funding).rolling(bars, min_periods=bars).mean().to_numpy()
    return -np.sign(mean)


@dataclass(frozen=True, slots=True)
class TextbookRules:
    """Parameters of the rows. All spans in days; the volatility target is a year's, a pair's."""

    trend_days: tuple[int, ...] = TREND_DAYS
    filter_days: int = FILTER_DAYS
    volatility_days: int = VOLATILITY_DAYS
    volatility_target: float = VOLATILITY_TARGET
    momentum_days: int = 30
    carry_days: int = 7


def textbook_positions(
    close: Floats,
    pairs: Sequence[str],
    bars_per_day: int,
    funding: Floats | None = None,
    rules: TextbookRules | None = None,
) -> Mapping[str, Floats]:
    """(T, P) positions of every textbook row, by name, as shares of each pair's capital.

    :param close: (T, P), see the module; bars must be closed at the moment of decision.
    :param funding: (T, P) as `carry_position`; None leaves the carry row out.
    :return: positions with 0 where the rule's windows are not full yet.
    """
    rules = rules or TextbookRules()
    volatility = annual_volatility(close, rules.volatility_days, bars_per_day)
    scale = volatility_scale(volatility, rules.volatility_target)
    allowed = above_mean(market_index(close, pairs), rules.filter_days, bars_per_day)
    ensemble = trend_share(close, rules.trend_days, bars_per_day)
    rows: dict[str, Floats] = {
        "buy and hold": np.where(np.isnan(close), np.nan, 1.0),
        "volatility target": scale,
    }
    for days in (*rules.trend_days, 120):
        rows[f"trend {days} d x volatility"] = trend_share(close, (days,), bars_per_day) * scale
    rows["market filter x volatility"] = allowed * scale
    rows["trend ensemble x volatility"] = ensemble * scale
    rows[ENSEMBLE] = ensemble * allowed * scale
    rows["cross-sectional momentum x volatility"] = (
        cross_sectional(close, rules.momentum_days, bars_per_day) * scale
    )
    if funding is not None:
        rows["carry x volatility"] = carry_position(funding, rules.carry_days, bars_per_day) * scale
    return {name: np.nan_to_num(position) for name, position in rows.items()}


ENSEMBLE = "trend ensemble x filter x volatility"
"""The strongest textbook row of the issue's measurement."""
