"""Statistical power of a search: the probability of proving an edge of a given size.

A one-sided test of the mean of n independent paired differences at level a, the best of N trials (Sidak):

    power = Phi(e sqrt(n) - Z(1 - a')),   a' = 1 - (1 - a)^(1/N),   e = mean / deviation of a difference

An information coefficient IC is the correlation of depth and normalised return: about the mean reward of a
view per unit of its deviation.  Replacing a view without merit by one with IC gives e = IC / sqrt(2), for
the noise of both is in the difference.  Outcomes that overlap or move together are worth fewer than n.
"""

from __future__ import annotations

import math

from scipy.stats import norm


def power(effect: float, observations: float, trials: float = 1.0, level: float = 0.05) -> float:
    """Probability that an edge of `effect` deviations an observation is proven.

    :param observations: independent ones, >= 1.
    :param trials: effective number of trials that the result is deflated by, >= 1.
    """
    return float(norm.cdf(effect * math.sqrt(observations) - _bar(trials, level)))


def observations_needed(effect: float, wanted: float = 0.8, trials: float = 1.0, level: float = 0.05) -> int:
    """Fewest independent observations that prove an edge of `effect` with probability `wanted`.

    :raises ValueError: the effect is not positive.
    """
    if not effect > 0.0:
        raise ValueError(f"an edge that can be proven is positive, got {effect}")
    return max(math.ceil(((_bar(trials, level) + float(norm.ppf(wanted))) / effect) ** 2), 1)


def effect_of_ic(ic: float) -> float:
    """Deviations an observation by which a view with `ic` beats one without merit: IC / sqrt(2)."""
    return ic / math.sqrt(2.0)


def _bar(trials: float, level: float) -> float:
    if not trials >= 1.0 or not 0.0 < level < 1.0:
        raise ValueError(f"needs trials >= 1 and a level between 0 and 1, got {trials} and {level}")
    return float(norm.isf(-math.expm1(math.log1p(-level) / trials)))
