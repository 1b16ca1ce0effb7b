"""From returns of every contender to the rows of the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agent_market.stats.bootstrap import paired_mean_test
from agent_market.stats.deflation import deflated_sharpe, effective_trials
from agent_market.stats.validation import overfitting, superior
from agent_market.utils.arrays import Floats, Ints

YEAR_S = 365 * 86_400
PBO_NEEDS = 100
VOLATILITY = 0.10
"""A year, at which all contenders are compared, after the fact: a deeper position is no better one."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A yearly rate with its 95% interval, and the one-sided p-value of "not above 0"."""

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, slots=True)
class YearResult:
    """One calendar year at matched volatility: the sum of returns with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Row:
    """One contender in one scenario; fractions, not per cent; means over seeds.

    `total` is the sum of returns as they came; `turnover` a year; all else is at matched volatility: `rate` a
    year and `spread`, the deviation of that over seeds (0 without any); the leads `over_hedge`, `over_cash`
    and `over_hold` (buy and hold) a year; `years`. `drawdown` is the largest fall of the sum from its high.
    `deflated` is the deflated Sharpe ratio, a probability. `passed` is the share of a gated net's fits that
    went through.
    """

    name: str
    kind: str
    total: float
    turnover: float
    rate: float
    spread: float
    sharpe: float
    drawdown: float
    deflated: float
    over_hedge: Estimate
    over_cash: Estimate
    over_hold: Estimate
    years: Mapping[int, YearResult]
    passed: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """What a contender made: `returns` (seeds, T) of the capital, `turnover` (seeds, T)."""

    returns: Floats
    turnover: Floats

    def matched(self, period_s: int) -> Floats:
        """(seeds, T), each seed at matched volatility by itself: a mean of seeds would be a calmer ensemble,
        which nobody who trains one net has."""
        return np.stack([matched(one, period_s) for one in self.returns])


@dataclass(frozen=True, slots=True)
class Doubt:
    """How much of the best row is the number of rows.

    `spa_hedge`, `spa_cash`, `spa_hold`: Hansen's p-value of "nothing is better than it";
    `pbo`: probability of backtest overfitting over all rows (None under `PBO_NEEDS` moments);
    `trials` in the ledger and what they are worth in independent ones.
    """

    spa_hedge: float
    spa_cash: float
    spa_hold: float
    pbo: float | None
    trials: int
    effective: float


def matched(returns: Floats, period_s: int) -> Floats:
    """(T,) returns scaled to `VOLATILITY` a year over the whole span; unchanged where they do not vary."""
    deviation = float(returns.std(ddof=1))
    return returns * (VOLATILITY / (deviation * np.sqrt(YEAR_S / period_s))) if deviation > 1e-15 else returns


def yearly(difference: Floats, period_s: int) -> Estimate:
    """Mean of a series as a rate a year, by the stationary bootstrap."""
    test = paired_mean_test(difference)
    times = YEAR_S / period_s
    return Estimate(test.mean * times, test.low * times, test.high * times, test.p_value)


def by_year(returns: Floats, times: Ints) -> dict[int, YearResult]:
    """Sum of each calendar year (UTC) with its 95% interval."""
    years = times.astype("datetime64[s]").astype("datetime64[Y]").astype(int) + 1970
    return {int(year): year_result(returns[years == year]) for year in np.unique(years)}


def year_result(returns: Floats) -> YearResult:
    test = paired_mean_test(returns)
    count = len(returns)
    return YearResult(test.mean * count, test.low * count, test.high * count)


def rows(
    series: Mapping[str, Series],
    kinds: Mapping[str, str],
    times: Ints,
    period_s: int,
    effective: float,
    bars: tuple[str, str],
    passed: Mapping[str, float],
) -> tuple[Row, ...]:
    """A row for each contender.

    :param times: (T,) moments of the returns, seconds.
    :param effective: number of independent trials that Sharpe ratios are deflated by.
    :param bars: Hedge and buy and hold, that leads are taken over.
    """
    hedge, hold = (series[name].matched(period_s).mean(axis=0) for name in bars)
    return tuple(
        _row(name, kinds[name], one, (hedge, hold), times, period_s, effective, passed.get(name))
        for name, one in series.items()
    )


def _row(
    name: str,
    kind: str,
    one: Series,
    bars: tuple[Floats, Floats],
    times: Ints,
    period_s: int,
    effective: float,
    passed: float | None,
) -> Row:
    seeds = one.matched(period_s)
    made = seeds.mean(axis=0)
    rates = seeds.mean(axis=1) * (YEAR_S / period_s)
    over_cash = yearly(made, period_s)
    hedge, hold = bars
    return Row(
        name=name,
        kind=kind,
        total=float(one.returns.sum(axis=1).mean()),
        turnover=float(one.turnover.mean()) * YEAR_S / period_s,
        rate=over_cash.value,
        spread=float(rates.std(ddof=1)) if len(rates) > 1 else 0.0,
        sharpe=over_cash.value / VOLATILITY,
        drawdown=float(np.mean([_fall(path) for path in np.cumsum(seeds, axis=1)])),
        deflated=float(np.mean([deflated_sharpe(seed, effective) for seed in seeds])),
        over_hedge=yearly(made - hedge, period_s),
        over_cash=over_cash,
        over_hold=yearly(made - hold, period_s),
        years=by_year(made, times),
        passed=passed,
    )


def _fall(path: Floats) -> float:
    """Largest fall of a sum of returns from its high, which is at least 0."""
    return float((np.maximum.accumulate(np.maximum(path, 0.0)) - path).max())


def doubt(series: Mapping[str, Series], period_s: int, trials: int, bars: tuple[str, str, str]) -> Doubt:
    """See `Doubt`. Contenders are taken at matched volatility.

    :param bars: Hedge, cash, and buy and hold.
    """
    table = {name: one.matched(period_s).mean(axis=0) for name, one in series.items()}

    def p_value(benchmark: str) -> float:
        others = {name: made for name, made in table.items() if name != benchmark}
        return superior(table[benchmark], others)

    hedge, cash, hold = map(p_value, bars)
    columns = np.column_stack(list(table.values()))
    return Doubt(
        spa_hedge=hedge,
        spa_cash=cash,
        spa_hold=hold,
        pbo=overfitting(columns).probability if len(columns) >= PBO_NEEDS else None,
        trials=trials,
        effective=effective_trials(columns, max(trials, columns.shape[1])),
    )
