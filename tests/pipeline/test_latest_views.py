"""The last view of an agent stands in where it was not asked, up to an age, and says so."""

from __future__ import annotations

from datetime import timedelta

from agent_market.pipeline.latest_views import LatestViews
from agent_market.records import AgentView
from tests.helpers.agent_makers import ASOF

HOUR = timedelta(hours=1)
JUDGE = AgentView("judge", 4.0, 0.7, "up", ("because",), answer_key="k")
SILENT = AgentView.abstain("judge", "BudgetExhausted: the day's cap is reached")


def test_an_excused_agent_speaks_with_its_last_view_and_says_when_and_why() -> None:
    latest = LatestViews(4 * HOUR)
    latest.note(ASOF, [JUDGE])
    (view,) = latest.stand_in([SILENT], ASOF + 3 * HOUR, {"judge": "no money"})
    assert (view.depth, view.confidence, view.answer_key) == (4.0, 0.7, "k")
    assert view.asof == ASOF
    assert view.carried_reason == "no money"
    assert not view.abstains


def test_a_view_that_is_too_old_stands_in_no_longer() -> None:
    latest = LatestViews(4 * HOUR)
    latest.note(ASOF, [JUDGE])
    assert latest.stand_in([SILENT], ASOF + 4 * HOUR, {"judge": "x"})[0].depth == 4.0
    assert latest.stand_in([SILENT], ASOF + 5 * HOUR, {"judge": "x"}) == (SILENT,)


def test_being_carried_on_makes_a_view_no_younger() -> None:
    latest = LatestViews(4 * HOUR)
    latest.note(ASOF, [JUDGE])
    carried = latest.stand_in([SILENT], ASOF + 3 * HOUR, {"judge": "x"})
    latest.note(ASOF + 3 * HOUR, carried)
    assert latest.stand_in([SILENT], ASOF + 5 * HOUR, {"judge": "x"}) == (SILENT,)


def test_who_was_asked_and_failed_abstains() -> None:
    latest = LatestViews(4 * HOUR)
    latest.note(ASOF, [JUDGE])
    failed = AgentView.abstain("judge", "ModelUnavailable: down")
    assert latest.stand_in([failed], ASOF + HOUR, {}) == (failed,)


def test_a_view_given_now_is_not_replaced_and_becomes_the_newest() -> None:
    latest = LatestViews(4 * HOUR)
    latest.note(ASOF, [JUDGE])
    now = AgentView("judge", -2.0, 0.5)
    assert latest.stand_in([now], ASOF + HOUR, {"judge": "x"}) == (now,)
    latest.note(ASOF + HOUR, [now])
    assert latest.stand_in([SILENT], ASOF + 2 * HOUR, {"judge": "x"})[0].depth == -2.0
