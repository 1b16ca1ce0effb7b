"""The stake that a confidence leaves, by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.config import CalibrationSettings
from agent_market.risk.confidence import stake_share

ON = CalibrationSettings(size_by_confidence=True)


@pytest.mark.parametrize(
    ("confidence", "share"), [(0.5, 0.25), (0.525, 0.625), (0.55, 1.0), (0.9, 1.0), (0.3, 0.25)]
)
def test_the_share_is_a_straight_line_from_a_coin_to_the_full_stake(confidence: float, share: float) -> None:
    assert stake_share(confidence, True, ON) == pytest.approx(share)


def test_an_unearned_confidence_changes_nothing() -> None:
    assert stake_share(0.3, False, ON) == 1.0
    assert stake_share(0.3, True, CalibrationSettings()) == 1.0


@given(st.floats(0, 1), st.booleans())
def test_the_stake_is_never_more_than_configured(confidence: float, usable: bool) -> None:
    assert ON.least_stake <= stake_share(confidence, usable, ON) <= 1.0
