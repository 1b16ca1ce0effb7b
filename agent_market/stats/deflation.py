"""Deflate results for the number of trials: the best of N looks good by luck alone.

Sources: Sidak (1967) for the p-value of the best of N; Bailey & Lopez de Prado (2012), "The Sharpe Ratio
Efficient Frontier", for the probabilistic Sharpe ratio; Bailey & Lopez de Prado (2014), "The Deflated Sharpe
Ratio", for the expected maximum, the deflation, and the number of independent trials (appendix A.3).
Sharpe ratios here are per observation, never annualised.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.stats import kurtosis, norm, skew

EULER_MASCHERONI = 0.5772156649015329


def sidak(p_value: float, trials: float) -> float:
    """Probability that the best of `trials` independent tests has a p-value this small: 1 - (1 - p)^trials.

    :param p_value: in [0, 1].
    :param trials: >= 1; need not be whole.
    :raises ValueError: out of range.
    """
    if not 0.0 <= p_value <= 1.0 or not trials >= 1.0:
        raise ValueError(f"needs a p-value in [0, 1] and at least one trial, got {p_value} and {trials}")
    if p_value == 1.0:
        return 1.0
    # expm1 and log1p keep small p-values exact.
    return -math.expm1(trials * math.log1p(-p_value))


def effective_trials(results: npt.ArrayLike, trials: int) -> float:
    """Effective number of independent trials among correlated ones: r + (1 - r) N, r the mean correlation.

    :param results: (observations, K) outcomes of K of the trials on the same occasions, finite; the mean
        correlation of these stands for that of all. A trial that does not vary counts as uncorrelated.
    :param trials: N >= 1, all that were made, K of them among them.
    :returns: in [1, N]; N itself with fewer than two results or a mean correlation of 0 and less.
    :raises ValueError: N < 1, or results that are not two-dimensional and finite.
    """
    table = np.asarray(results, dtype=np.float64)
    if trials < 1 or table.ndim != 2 or not np.isfinite(table).all():
        raise ValueError(f"needs finite (observations, K) and trials >= 1, got {table.shape} and {trials}")
    observations, width = table.shape
    if width < 2 or observations < 3:
        return float(trials)
    centred = table - table.mean(axis=0)
    norms = np.sqrt((centred**2).sum(axis=0))
    unit = centred / np.where(norms > 0, norms, 1.0)
    # The sum of all correlations is |sum of the unit vectors|^2; their diagonal is taken off.
    total = float((unit.sum(axis=1) ** 2).sum()) - float((norms > 0).sum())
    mean = min(max(total / (width * (width - 1)), 0.0), 1.0)
    return float(mean + (1.0 - mean) * trials)


def counted_trials(results: npt.ArrayLike, trials: int) -> float:
    """Effective number of `trials`, K of which were measured: those by correlation, the others each as one.

    Trials dropped early have no results to correlate, so they count as independent.

    :param results: (observations, K) as `effective_trials` takes them, K <= trials.
    """
    table = np.asarray(results, dtype=np.float64)
    measured = table.shape[1] if table.ndim == 2 else 0
    if not 0 <= measured <= trials:
        raise ValueError(f"{measured} of {trials} trials cannot have been measured")
    if measured == 0:
        return float(max(trials, 1))
    return effective_trials(table, measured) + (trials - measured)


def sharpe(returns: npt.ArrayLike) -> float:
    """Mean over sample deviation (n - 1), per observation; 0 where the mean is 0, infinite without deviation.

    :raises ValueError: fewer than two returns.
    """
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"a Sharpe ratio needs two or more returns, got shape {values.shape}")
    mean, deviation = float(values.mean()), float(values.std(ddof=1))
    if deviation == 0.0:
        return math.copysign(math.inf, mean) if mean else 0.0
    return mean / deviation


def probabilistic_sharpe(
    observed: float, benchmark: float, observations: int, skewness: float = 0.0, kurt: float = 3.0
) -> float:
    """Probability that the true Sharpe ratio exceeds `benchmark`, given the observed one.

        PSR = Phi((SR - SR*) sqrt(n - 1) / sqrt(1 - skew SR + (kurt - 1) / 4 SR^2))

    :param skewness: of the returns, 0 for normal ones.
    :param kurt: of the returns, 3 for normal ones (not the excess).
    :raises ValueError: fewer than two observations, or moments that no sample has.
    """
    variance = 1.0 - skewness * observed + (kurt - 1.0) / 4.0 * observed**2
    if observations < 2 or not variance > 0.0:
        raise ValueError(
            f"needs 2 or more observations and moments of a real sample, got {observations} observations, "
            f"Sharpe {observed}, skewness {skewness}, kurtosis {kurt}"
        )
    return float(norm.cdf((observed - benchmark) * math.sqrt(observations - 1) / math.sqrt(variance)))


def expected_best_sharpe(trials: float, deviation: float) -> float:
    """Sharpe ratio that the best of `trials` is expected to show when none of them has any merit.

        E[max] = s ((1 - g) Z(1 - 1/N) + g Z(1 - 1/(N e))),  Z the normal quantile, g Euler-Mascheroni

    :param trials: effective number of independent trials, >= 1; one alone is expected to show 0.
    :param deviation: standard deviation of the trials' Sharpe ratios, >= 0.
    """
    if not trials >= 1.0 or not deviation >= 0.0:
        raise ValueError(f"needs trials >= 1 and a deviation >= 0, got {trials} and {deviation}")
    if trials == 1.0:
        return 0.0
    quantiles = norm.ppf([1.0 - 1.0 / trials, 1.0 - 1.0 / (trials * math.e)])
    best = (1.0 - EULER_MASCHERONI) * quantiles[0] + EULER_MASCHERONI * quantiles[1]
    # Below about 1.6 trials the approximation turns negative; luck never lowers the best.
    return deviation * max(float(best), 0.0)


def deflated_sharpe(returns: npt.ArrayLike, trials: float, deviation: float | None = None) -> float:
    """Probability that the true Sharpe ratio is above what luck alone gives the best of `trials`.

    :param returns: (n,) of the chosen trial, n >= 2.
    :param trials: effective number of independent trials.
    :param deviation: standard deviation of the trials' Sharpe ratios; None takes that of trials without
        merit, 1 / sqrt(n - 1).
    :returns: in [0, 1]; above 0.95 is the customary bar. Returns without deviation give 1, 0.5 or 0 by sign.
    """
    values = np.asarray(returns, dtype=np.float64)
    observed = sharpe(values)
    if math.isinf(observed) or (observed == 0.0 and np.ptp(values) == 0.0):
        return 0.5 if observed == 0.0 else float(observed > 0)
    spread = 1.0 / math.sqrt(len(values) - 1) if deviation is None else deviation
    return probabilistic_sharpe(
        observed,
        expected_best_sharpe(trials, spread),
        len(values),
        float(skew(values)),
        float(kurtosis(values, fisher=False)),
    )
