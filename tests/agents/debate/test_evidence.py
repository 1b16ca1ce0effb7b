from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.agents.debate.evidence import evidence_of, numbers_of, recalled_evidence
from agent_market.records import Evidence
from agent_market.stats.proportion import wilson
from tests.helpers.agent_makers import recall


def test_win_rate_payoff_and_interval_by_hand() -> None:
    found = evidence_of([0.02, 0.04, -0.01, 0.0])
    assert found is not None
    assert (found.cases, found.win_rate) == (4, 0.5)
    assert found.payoff == pytest.approx(0.03 / 0.01)
    # Wilson, 2 of 4, z = 1.96: 0.5 -+ 1.96 sqrt(0.0625 + 0.06003) / 1.9604
    assert found.low == pytest.approx(0.15003, abs=1e-4)
    assert found.high == pytest.approx(0.84997, abs=1e-4)


def test_without_losses_or_wins_there_is_no_payoff_and_without_cases_no_evidence() -> None:
    only_wins = evidence_of([0.01, 0.02])
    assert only_wins is not None
    assert only_wins.payoff is None
    assert evidence_of([]) is None
    assert recalled_evidence(recall(), 0.0) is None


@given(st.integers(1, 500), st.data())
def test_the_interval_holds_the_share_and_stays_within_0_and_1(n: int, data: st.DataObject) -> None:
    wins = data.draw(st.integers(0, n))
    low, high = wilson(wins, n)
    assert 0.0 <= low <= wins / n + 1e-12
    assert wins / n - 1e-12 <= high <= 1.0


def test_named_numbers_leave_out_what_is_not_defined() -> None:
    assert numbers_of("recall", None) == {"recall_cases": 0.0}
    assert numbers_of("model", Evidence(3, 1.0, 0.4, 1.0)) == {
        "model_cases": 3.0,
        "model_win_rate": 1.0,
        "model_low": 0.4,
        "model_high": 1.0,
    }
