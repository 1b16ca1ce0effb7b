"""Out-of-sample validation: purged and embargoed walk-forward folds, and the probability of overfitting.

Sources: Lopez de Prado 2018, "Advances in Financial Machine Learning", chapter 7 (purging, embargo); Bailey,
Borwein, Lopez de Prado & Zhu 2017, "The Probability of Backtest Overfitting" (CSCV); Hansen 2005, "A Test for
Superior Predictive Ability" (through `arch`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt
from arch.bootstrap import SPA

from agent_market.errors import DataError
from agent_market.stats.bootstrap import RESAMPLES, SEED, block_length
from agent_market.utils.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class Fold:
    """Training rows and the later test rows, as indices of times in order."""

    train: Ints
    test: Ints


def walk_forward(
    times: Ints, known_at: Ints, first_test: int, step: int, embargo: int = 0, window: int | None = None
) -> Iterator[Fold]:
    """Return folds whose training rows were all known before the test begins.

    :param times: (T,) moments of decision, seconds, increasing.
    :param known_at: (T,) when everything about the row's outcome was known.
    :param first_test: moment at which the first test span begins; the spans follow on each other.
    :param step: seconds of a test span, which is also the retraining interval.
    :param embargo: a training row must be known this many seconds before its test begins (purging is 0).
    :param window: train only on rows of the last so many seconds; None uses all (expanding).
    :raises DataError: the step is not positive, or no training row is left for the first fold.
    """
    if step <= 0 or embargo < 0:
        raise DataError(f"a walk needs a positive step and an embargo of 0 or more, got {step} and {embargo}")
    begin, last = first_test, int(times[-1])
    while begin <= last:
        test = np.flatnonzero((times >= begin) & (times < begin + step))
        allowed = (times < begin) & (known_at <= begin - embargo)
        if window is not None:
            allowed &= times >= begin - window
        train = np.flatnonzero(allowed)
        if not len(train):
            raise DataError(
                f"no row is known {embargo} s before the test that begins at {begin}; begin later"
            )
        if len(test):
            yield Fold(train, test)
        begin += step


def later_spans(
    rows: Ints, times: Ints, known_at: Ints, shares: tuple[float, ...] = (0.7, 0.15, 0.15)
) -> tuple[Ints, ...]:
    """Training rows cut into consecutive spans, each purged of what was not known when the next began.

    :param shares: of the rows, summing to 1: for fitting, early stopping and the promotion test.
    :raises DataError: a span would be empty, as they are cut or once they are purged.
    """
    ends = np.round(np.cumsum(shares) * len(rows)).astype(int)
    starts = [0, *ends[:-1].tolist()]
    spans = [rows[a:b] for a, b in zip(starts, ends.tolist(), strict=True)]
    if any(len(span) == 0 for span in spans):
        raise DataError(f"{len(rows)} rows are too few for spans of {shares}")
    purged = [span[known_at[span] <= times[after[0]]] for span, after in pairwise(spans)]
    if any(len(span) == 0 for span in purged):
        raise DataError(
            f"{len(rows)} rows are too few for spans of {shares}: none of one is known by the next"
        )
    return (*purged, spans[-1])


@dataclass(frozen=True, slots=True)
class Overfitting:
    """Probability that choosing the best of many by its backtest overfits.

    `probability` (PBO): share of splits in which the best in sample was below the median out of sample;
    `loss`: share in which it lost money there; `slope` of its Sharpe ratio out of sample on that in sample;
    `splits` that were made.
    """

    probability: float
    loss: float
    slope: float
    splits: int


def overfitting(results: npt.ArrayLike, blocks: int = 16) -> Overfitting:
    """Combinatorially symmetric cross-validation of a whole search.

    The observations are cut into `blocks` consecutive blocks; each choice of half of them is one split:
    in sample there, out of sample in the rest.  With w the relative rank out of sample, rank / (K + 1), of
    the configuration with the best Sharpe ratio in sample, PBO is the share of splits with
    ln(w / (1 - w)) <= 0.  Ties share their mean rank.

    :param results: (observations, K) outcome of each of K >= 2 configurations on the same occasions, in
        order of time. Leading observations that do not fill a block are left out.
    :param blocks: even, 2 to 20: 16 give 12,870 splits.
    :raises DataError: fewer observations than configurations (the transpose?) or than 2 a block, or a number
        that is not finite.
    """
    table = np.asarray(results, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2 or not np.isfinite(table).all():
        raise DataError(
            f"PBO needs finite (observations, configurations), 2 or more of these; got {table.shape}"
        )
    if blocks % 2 or not 2 <= blocks <= 20:
        raise DataError(f"PBO needs an even number of blocks from 2 to 20, got {blocks}")
    if table.shape[0] < table.shape[1] or table.shape[0] < 2 * blocks:
        raise DataError(
            f"{table.shape[0]} observations of {table.shape[1]} configurations in {blocks} blocks: rows must "
            "be the observations, more than configurations and 2 or more a block; is the table transposed?"
        )
    size = len(table) // blocks
    parts = table[len(table) - size * blocks :].reshape(blocks, size, -1)
    sums, squares = parts.sum(axis=1), (parts**2).sum(axis=1)
    chosen = np.array(list(combinations(range(blocks), blocks // 2)))
    picks = np.zeros((len(chosen), blocks))
    np.put_along_axis(picks, chosen, 1.0, axis=1)
    count = size * (blocks // 2)
    inside = _sharpe(picks @ sums, picks @ squares, count)
    outside = _sharpe((1.0 - picks) @ sums, (1.0 - picks) @ squares, count)
    best = inside.argmax(axis=1)
    rows = np.arange(len(best))
    theirs = outside[rows, best]
    below = (outside < theirs[:, None]).sum(axis=1)
    ties = (outside == theirs[:, None]).sum(axis=1)
    rank = below + (ties + 1) / 2.0
    relative = rank / (table.shape[1] + 1)
    fitted = inside[rows, best]
    spread = fitted - fitted.mean()
    flat = not (spread**2).sum() > 0.0
    slope = 0.0 if flat else float((spread * theirs).sum() / (spread**2).sum())
    return Overfitting(
        probability=float(np.mean(relative <= 0.5)),
        loss=float(np.mean(theirs < 0.0)),
        slope=slope,
        splits=len(best),
    )


def _sharpe(sums: Floats, squares: Floats, count: int) -> Floats:
    mean = sums / count
    variance = np.maximum(squares / count - mean**2, 0.0) * count / (count - 1)
    # A configuration that does not move (cash) has Sharpe ratio 0, not 0 / 0.
    moves = variance > 1e-18
    return np.where(moves, mean / np.sqrt(np.where(moves, variance, 1.0)), 0.0)


def superior(benchmark: Floats, others: Mapping[str, Floats], seed: int = SEED) -> float:
    """p-value of "none of the others is better than the benchmark" (SPA, consistent).

    :param benchmark: (T,) returns, as those of each other; in order of time.
    :raises DataError: `others` is empty.
    """
    if not others:
        raise DataError("SPA needs one or more contenders beside the benchmark")
    table = np.column_stack(list(others.values()))
    lead = table - benchmark[:, None]
    moving = np.ptp(lead, axis=0) > 1e-15
    if not moving.any():
        return 1.0
    block = max(block_length(column) for column in lead[:, moving].T)
    test = SPA(-benchmark, -table[:, moving], block_size=block, reps=RESAMPLES, seed=seed)
    test.compute()
    return float(test.pvalues["consistent"])
