from __future__ import annotations

import numpy as np
import pytest

from agent_market.costs import net_return, turnover


def test_holding_the_same_position_on_costs_nothing() -> None:
    assert net_return(0.5, 0.5, 0.02, 0.001) == pytest.approx(0.01)


def test_only_what_changes_hands_is_charged_also_through_zero() -> None:
    assert net_return(0.5, 0.2, 0.0, 0.001) == pytest.approx(-0.0003)
    assert net_return(-0.5, 0.5, 0.01, 0.001) == pytest.approx(-0.005 - 0.001)
    assert net_return(0.0, 1.0, 0.5, 0.001) == pytest.approx(-0.001)


def test_turnover_counts_the_first_position_from_flat() -> None:
    assert turnover(np.array([[0.5], [0.5], [-0.25]]))[:, 0].tolist() == [0.5, 0.0, 0.75]
