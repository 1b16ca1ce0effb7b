"""Promotion test of everything trained: use it only if it beats what it replaces out of sample, after
deflation for all trials.

The candidate's paired lead on a span that is later than the one it was found on must be above zero, with a
one-sided block bootstrap p-value that is at or below the level once deflated by the number of trials.  The
deflated Sharpe ratio is reported only: with the deviation of trials without merit it is nearly equivalent,
but assumes normal and independent observations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agent_market.stats.bootstrap import SEED, MeanTest, paired_mean_test
from agent_market.stats.deflation import deflated_sharpe, sidak

LEVEL = 0.05
# Below this many resamples per unit of deflated level the smallest p-value that can come out is too coarse.
_RESOLUTION = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a candidate may replace the incumbent, with all figures of the test.

    `deflated_p` is the bootstrap p-value after `trials` (effective) trials; `deflated_sharpe` a probability.
    """

    promoted: bool
    test: MeanTest
    trials: float
    level: float
    deflated_p: float
    deflated_sharpe: float

    @property
    def reason(self) -> str:
        """Return the reason as one sentence."""
        lead = f"lead {self.test.mean:+.4f} [{self.test.low:+.4f}, {self.test.high:+.4f}] a decision"
        odds = f"p {self.test.p_value:.4f}, {self.deflated_p:.4f} after {self.trials:.1f} effective trials"
        if self.promoted:
            return f"{lead}, {odds}: at or below {self.level:g}"
        return f"{lead}, {odds}: not at or below {self.level:g}"


def judge(
    difference: npt.ArrayLike,
    trials: float,
    moments: npt.ArrayLike | None = None,
    *,
    level: float = LEVEL,
    least_block: int = 1,
    seed: int = SEED,
) -> Verdict:
    """Judge a candidate by its paired lead (candidate - incumbent) on the validation span.

    :param difference: (n,) finite, n >= 2, in units that may be averaged (normalised rewards).
    :param trials: effective number of trials that led to the candidate, it included; >= 1.
    :param moments: see `paired_mean_test`.
    :raises ValueError: as `paired_mean_test` and `sidak` do.
    """
    values = np.asarray(difference, dtype=np.float64)
    resamples = max(2_000, int(_RESOLUTION * trials / level))
    test = paired_mean_test(values, moments, resamples=resamples, least_block=least_block, seed=seed)
    deflated_p = sidak(test.p_value, trials)
    return Verdict(
        promoted=test.mean > 0.0 and deflated_p <= level,
        test=test,
        trials=trials,
        level=level,
        deflated_p=deflated_p,
        deflated_sharpe=deflated_sharpe(values, trials),
    )
