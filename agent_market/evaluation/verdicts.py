"""What was wanted of a net, checked year by year against what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agent_market.evaluation.context import CASH, UNIFORM
from agent_market.evaluation.statistics import YearResult, year_result
from agent_market.utils.arrays import Floats, Ints

BASELINES = ("reference", "online", "stacking")
"""Kinds of contender that a net is to keep up with."""


@dataclass(frozen=True, slots=True)
class YearVerdict:
    """One net in one year, at matched volatility, as leads (sum over the year, 95% interval).

    `best` is the baseline with the most that year, chosen after the fact.  `keeps_up`: the net is not below
    it by more than the interval; `above_equal`: above equal weights by the interval; `not_below_cash`: not
    below cash by more than the interval.
    """

    net: str
    year: int
    best: str
    over_best: YearResult
    over_equal: YearResult
    over_cash: YearResult

    @property
    def keeps_up(self) -> bool:
        return self.over_best.high >= 0.0

    @property
    def above_equal(self) -> bool:
        return self.over_equal.low > 0.0

    @property
    def not_below_cash(self) -> bool:
        return self.over_cash.high >= 0.0


def verdicts(
    net: str, paths: Mapping[str, Floats], kinds: Mapping[str, str], times: Ints
) -> tuple[YearVerdict, ...]:
    """One for each calendar year.

    :param paths: name -> (T,) sum of returns at matched volatility.
    """
    made = {name: np.diff(path, prepend=0.0) for name, path in paths.items()}
    years = times.astype("datetime64[s]").astype("datetime64[Y]").astype(int) + 1970
    found = []
    for year in np.unique(years).tolist():
        here = years == year
        baselines = [name for name, kind in kinds.items() if kind in BASELINES]
        best = max(baselines, key=lambda name: float(made[name][here].sum()))
        leads = [year_result((made[net] - made[other])[here]) for other in (best, UNIFORM, CASH)]
        found.append(YearVerdict(net, int(year), best, *leads))
    return tuple(found)
