"""One score out of several channels: weighted sums of standard scores.

Channels are on different scales (BM25 has no upper end, cosines end at 1), so each is standardised over the
documents that a query may see before it is weighted.  No channel is a gate for another: a document that
only its words find keeps what they are worth.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]


def standard_scores(scores: Scores) -> Scores:
    """(scores - mean) / standard deviation over all documents; zeros where all are equal or none is there."""
    if len(scores) == 0:
        return scores
    centred = scores - scores.mean()
    deviation = float(np.sqrt(np.mean(centred * centred)))
    # Equal scores differ by rounding, so "no deviation" is one that rounding explains.
    noise = 1e-12 * max(float(np.abs(scores).max()), 1e-300)
    return np.zeros_like(scores) if deviation <= noise else centred / deviation


def fuse(channels: Mapping[str, Scores], weights: Mapping[str, float]) -> Scores:
    """The weighted sum of the channels' standard scores.

    :param channels: (n,) raw scores by name, all of one length; at least one.
    :param weights: weight by channel name; a channel without one has weight 0.
    """
    parts = [weights.get(name, 0.0) * standard_scores(scores) for name, scores in channels.items()]
    return np.sum(parts, axis=0)
