from __future__ import annotations

import numpy as np
import pytest

from agent_market.memory.text.fusion import fuse, standard_scores


def test_standard_scores_by_hand() -> None:
    # mean 2, deviation sqrt((1 + 1 + 0 + 0) / 4) = sqrt(1/2)
    assert standard_scores(np.array([1.0, 3.0, 2.0, 2.0])) == pytest.approx([-(2**0.5), 2**0.5, 0.0, 0.0])
    assert standard_scores(np.array([0.1 + 0.2, 0.3])).tolist() == [0.0, 0.0]
    assert standard_scores(np.array([])).tolist() == []


def test_channels_are_weighed_after_they_are_standardised() -> None:
    channels = {"turn": np.array([0.0, 1000.0]), "dense": np.array([0.2, 0.1])}
    assert fuse(channels, {"turn": 1.0, "dense": 0.5}) == pytest.approx([-0.5, 0.5])
    assert fuse(channels, {"dense": 0.5}) == pytest.approx([0.5, -0.5])
