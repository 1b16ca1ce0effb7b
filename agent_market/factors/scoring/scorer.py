"""Scores of one factor: a cheap screening for the many, everything for the few."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from agent_market.errors import DataError
from agent_market.factors.panel import Array, CandlePanel
from agent_market.factors.scoring import ic
from agent_market.factors.scoring.book import Book, monotonicity, sorted_book
from agent_market.factors.scoring.ic import IC
from agent_market.factors.scoring.kernels import correlations
from agent_market.factors.scoring.persistence import autocorrelation, half_life
from agent_market.factors.scoring.sample import Sample
from agent_market.factors.scoring.settings import ScoringSettings


@dataclass(frozen=True, slots=True)
class Screening:
    """Enough to drop most factors.

    `coverage` is the share of the sampled cells with a candle that have a value; `rejected` says why the
    factor cannot be scored, or is None.
    """

    ic: IC
    rank_ic: IC
    coverage: float
    rejected: str | None


@dataclass(frozen=True, slots=True)
class FactorScore:
    """All that is measured of one factor on one span.

    `direction` is 1 or -1: the side on which the book trades it. `decay` is rank IC by horizon in candles,
    `half_life` in candles, `by_year` and `by_regime` mean rank IC and number of times, `pool_correlation` the
    mean rank correlation with each factor of the pool, `time_ic` the correlation through time (see `ic`).
    """

    screening: Screening
    direction: int
    time_ic: float
    decay: dict[int, float]
    half_life: float
    book: Book
    monotonicity: float
    bucket_returns: tuple[float, ...]
    by_year: dict[str, tuple[float, int]]
    by_regime: dict[str, tuple[float, int]]
    pool_correlation: dict[str, float] = field(default_factory=dict)

    @property
    def closest(self) -> float:
        """Largest absolute correlation with a factor of the pool; 0 with none."""
        return max((abs(value) for value in self.pool_correlation.values()), default=0.0)


class Scorer:
    """Scores factors on one span of one panel; what they share is computed once."""

    def __init__(
        self,
        panel: CandlePanel,
        settings: ScoringSettings | None = None,
        start: int = 0,
        stop: int | None = None,
        regimes: Array | None = None,
    ) -> None:
        """Prepare rows `start` to `stop` (not included).

        :param regimes: label of each row of the panel, for `by_regime`; see `regimes.market_regimes`.
        :raises DataError: too few pairs for a cross-section, or no complete return in the span.
        """
        self.settings = settings or ScoringSettings()
        if len(panel.pairs) < self.settings.min_pairs:
            raise DataError(
                f"{len(panel.pairs)} pairs make no cross-section of {self.settings.min_pairs}; add pairs"
            )
        self.panel = panel
        self.sample = Sample.of(panel, self.settings, start, stop)
        self._returns = self.sample.returns[self.settings.horizon]
        self._years = np.asarray(panel.times.year)[self.sample.rows]
        self._regimes = None if regimes is None else regimes[self.sample.rows]

    def screen(self, values: Array, warm_up: int = 0) -> Screening:
        """IC, rank IC and coverage of a factor, (pairs, times), on the sampled rows.

        :param warm_up: rows at the panel's start that it cannot have a value for; they do not count in
            coverage.
        """
        sampled = self.sample.take(values)
        return self._screened(sampled, *self._correlated(sampled), warm_up)

    def score(
        self,
        values: Array,
        warm_up: int = 0,
        pool: Mapping[str, Array] | None = None,
        direction: int | None = None,
    ) -> FactorScore:
        """Everything about a factor, (pairs, times).

        :param pool: other factors by name, same shape.
        :param direction: side of the book; unset takes the sign of the mean rank IC on this span, so judge a
            later span with the direction of the earlier one.
        """
        use = self.settings
        sampled = self.sample.take(values)
        plain, ranked = self._correlated(sampled)
        screening = self._screened(sampled, plain, ranked, warm_up)
        side = direction or (-1 if screening.rank_ic.mean < 0 else 1)
        steady, means = monotonicity(sampled, self._returns, use.buckets, use.min_pairs)
        minutes = use.step * self.panel.minutes
        return FactorScore(
            screening=screening,
            direction=side,
            time_ic=ic.time_ic(sampled, self._returns),
            decay=ic.decay(sampled, self.sample.returns, use.min_pairs),
            half_life=half_life(autocorrelation(values, self.sample, use.lags, use.min_pairs)),
            book=sorted_book(sampled, self._returns, side, use.cost, use.min_pairs, minutes),
            monotonicity=steady,
            bucket_returns=means,
            by_year=ic.by_label(ranked, self._years),
            by_regime={} if self._regimes is None else ic.by_label(ranked, self._regimes),
            pool_correlation={name: self.correlation(sampled, other) for name, other in (pool or {}).items()},
        )

    def correlation(self, sampled: Array, other: Array) -> float:
        """Mean rank correlation over the pairs of sampled values with another factor, (pairs, times)."""
        series = ic.rank_ic(sampled, self.sample.take(other), self.settings.min_pairs)
        there = series[~np.isnan(series)]
        return float(there.mean()) if len(there) else math.nan

    def _correlated(self, sampled: Array) -> tuple[Array, Array]:
        plain, ranked = correlations(sampled, self._returns, self.settings.min_pairs)
        return plain, ranked

    def _screened(self, sampled: Array, plain: Array, ranked: Array, warm_up: int) -> Screening:
        floor = self.settings.deviation_floor
        ripe = self.sample.present & (self.sample.rows >= warm_up)[:, None]
        cells = int(ripe.sum())
        coverage = float((ripe & ~np.isnan(sampled)).sum()) / cells if cells else 0.0
        summed = ic.summary(plain, floor), ic.summary(ranked, floor)
        times = int((self.sample.rows >= warm_up).sum())
        return Screening(*summed, coverage, self._objection(coverage, summed[1].times, times))

    def _objection(self, coverage: float, with_ic: int, times: int) -> str | None:
        use = self.settings
        if coverage < use.min_coverage:
            return f"has a value for {coverage:.0%} of the cells; {use.min_coverage:.0%} are needed"
        if with_ic < use.min_times:
            return f"has an IC at {with_ic} times; {use.min_times} are needed"
        if with_ic < use.min_varied * times:
            return f"differs between pairs at {with_ic} of {times} times; {use.min_varied:.0%} are needed"
        return None
