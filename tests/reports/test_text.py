from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.reports.text import basis_points, listed, number, percent, signed_percent


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (percent(0.1234), "12.3%"),
        (percent(None), "–"),
        (percent(-0.00001), "0.0%"),
        (signed_percent(0.0), "0.0%"),
        (signed_percent(0.2), "+20.0%"),
        (signed_percent(-0.2), "\u221220.0%"),
        (number(-1234.5, 1), "\u22121,234.5"),
        (basis_points(0.00123), "+12.3 bp"),
        (basis_points(-0.000001), "\u22120.010 bp"),
        (basis_points(0.0), "0.0 bp"),
        (listed(["a"], "or"), "a"),
        (listed(["a", "b", "c"], "or"), "a, b or c"),
    ],
)
def test_numbers_are_written_the_same_everywhere(written, expected):
    assert written == expected


@given(st.floats(-1, 1, allow_subnormal=False).filter(lambda v: v == 0 or abs(v) > 1e-8))
def test_the_sign_of_a_bound_is_never_lost(value):
    text = basis_points(value)
    assert text.startswith("+") == (value > 0 and text.strip("+0. bp") != "")
    assert not text.startswith("+") or value > 0
