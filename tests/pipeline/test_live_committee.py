"""Live: the candle loop hands questions over and never waits for the answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from agent_market.agents.roles import ROLES as ALL_ROLES
from agent_market.config import LiveSettings
from agent_market.errors import StoreError
from agent_market.llm.decision_context import current_context, decision_context
from agent_market.pipeline.live_committee import BackgroundCommittee, LiveCommittee
from agent_market.records import AgentView, Episode, MarketView, Recall
from tests.helpers.agent_makers import ASOF, GIVEN, market_view, recall

HOUR = timedelta(hours=1)
ROLES = tuple(role for role in ALL_ROLES if role.source != "rule")
LLM = [role.name for role in ROLES if role.source == "llm"]


class Scripted:
    """A committee that answers when it is let: `gate` open; depth = hours of the question."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.asked: list[tuple[str, int]] = []
        self.fails: Exception | None = None
        self.silent: set[str] = set()

    def ask(
        self, view: MarketView, recall: Recall, given: Mapping[str, AgentView], recent: Sequence[Episode] = ()
    ) -> tuple[AgentView, ...]:
        hours = int((view.asof - ASOF) / HOUR)
        self.asked.append((view.pair, hours))
        assert self.gate.wait(10)
        current_context().charge(3, 300, 30, 7)
        if self.fails is not None:
            raise self.fails
        return tuple(
            given[role.name]
            if role.source != "llm"
            else AgentView.abstain(role.name, "down")
            if role.name in self.silent
            else AgentView(role.name, float(hours), 0.5)
            for role in ROLES
        )


def until(true: object, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.002)


def at(hours: int, pair: str = "BTC/USDT") -> MarketView:
    return replace(market_view(hours=hours), pair=pair)


class Desk:
    """A seat over a scripted committee, asked as a session asks."""

    def __init__(self, wait_s: float = 0.0, **live: int) -> None:
        self.committee = Scripted()
        self.background = BackgroundCommittee(self.committee, LiveSettings(**live), 5.0)
        self.seat = LiveCommittee(ROLES, self.background, wait_s, 4 * HOUR)

    def ask(self, hours: int, listening: bool = False) -> tuple[dict[str, AgentView], dict[str, str], int]:
        seat = self.seat.listening() if listening else self.seat
        with decision_context(f"d{hours}") as case:
            views = seat.ask(at(hours), recall(), GIVEN)
        return {view.agent: view for view in views}, case.skipped, case.usage.calls


def test_the_first_decision_is_made_at_once_with_whoever_needs_no_model() -> None:
    desk = Desk()
    started = time.monotonic()
    views, skipped, calls = desk.ask(0)
    assert time.monotonic() - started < 0.1
    assert list(views) == [role.name for role in ROLES]
    assert views["quant"] == GIVEN["quant"]
    assert all(views[name].abstains for name in LLM)
    assert set(skipped) == set(LLM)
    assert calls == 0
    desk.background.close()


def test_answers_are_news_once_and_come_with_their_age_and_their_bill_once() -> None:
    desk = Desk()
    desk.ask(0)
    assert not desk.seat.has_news("BTC/USDT")
    desk.committee.gate.set()
    until(lambda: desk.seat.has_news("BTC/USDT"))
    views, skipped, calls = desk.ask(1, listening=True)
    assert {views[name].depth for name in LLM} == {0.0}
    assert {views[name].asof for name in LLM} == {ASOF}
    assert skipped == {}
    assert calls == 3
    assert not desk.seat.has_news("BTC/USDT")
    views, _, calls = desk.ask(3, listening=True)
    assert {views[name].asof for name in LLM} == {ASOF}
    assert calls == 0
    views, skipped, _ = desk.ask(5, listening=True)
    assert all(views[name].abstains for name in LLM), "older than four hours"
    assert set(skipped) == set(LLM)
    assert desk.committee.asked == [("BTC/USDT", 0)], "who listens asks nothing"
    desk.background.close()


def test_while_a_question_is_out_only_the_newest_of_its_pair_waits() -> None:
    desk = Desk()
    desk.ask(0)
    until(lambda: desk.committee.asked)
    for hours in (1, 2, 3):
        desk.ask(hours)
    desk.committee.gate.set()
    until(lambda: len(desk.committee.asked) == 2)
    until(lambda: desk.background.newest("BTC/USDT", ASOF).asof == ASOF + 3 * HOUR)  # type: ignore[union-attr]
    assert desk.committee.asked == [("BTC/USDT", 0), ("BTC/USDT", 3)]
    desk.background.close()


def test_pairs_are_asked_side_by_side_and_one_pair_only_once_at_a_time() -> None:
    desk = Desk(workers=2)
    for pair in ("A/B", "C/D", "E/F"):
        desk.background.submit("d", at(0, pair), recall(), GIVEN)
    until(lambda: len(desk.committee.asked) == 2)
    desk.background.submit("d", at(1, "A/B"), recall(), GIVEN)
    time.sleep(0.05)
    assert desk.committee.asked == [("A/B", 0), ("C/D", 0)]
    desk.committee.gate.set()
    until(lambda: len(desk.committee.asked) == 4)
    assert set(desk.committee.asked[2:]) == {("E/F", 0), ("A/B", 1)}
    desk.background.close()


def test_the_queue_is_bounded_and_what_is_dropped_is_said(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(workers=1, queue=2)
    desk.background.submit("d", at(0, "busy"), recall(), GIVEN)
    until(lambda: desk.committee.asked)
    for pair in ("one", "two", "three"):
        desk.background.submit("d", at(0, pair), recall(), GIVEN)
    assert "the question of one is dropped" in caplog.text
    desk.committee.gate.set()
    until(lambda: len(desk.committee.asked) == 3)
    assert [pair for pair, _ in desk.committee.asked] == ["busy", "two", "three"]
    desk.background.close()


def test_a_small_wait_takes_the_answers_to_its_own_question() -> None:
    desk = Desk(wait_s=5.0)
    desk.committee.gate.set()
    views, skipped, _ = desk.ask(2)
    assert {views[name].depth for name in LLM} == {2.0}
    assert {views[name].asof for name in LLM} == {None}
    assert skipped == {}
    desk.background.close()


def test_a_wait_ends_when_its_time_is_over() -> None:
    desk = Desk(wait_s=0.1)
    started = time.monotonic()
    views, *_ = desk.ask(0)
    assert 0.1 <= time.monotonic() - started < 0.5
    assert all(views[name].abstains for name in LLM)
    desk.background.close()


def test_an_outage_is_no_news_and_its_cause_is_kept() -> None:
    desk = Desk()
    desk.committee.gate.set()
    desk.committee.silent = set(LLM)
    desk.ask(0)
    until(lambda: desk.background.newest("BTC/USDT", ASOF) is not None)
    assert not desk.seat.has_news("BTC/USDT")
    views, skipped, _ = desk.ask(1)
    assert views["judge"].abstained_reason == "down"
    assert set(skipped) == set(LLM)
    desk.background.close()


def test_a_question_that_breaks_does_not_end_the_worker(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(workers=1)
    desk.committee.gate.set()
    for n, error in enumerate((StoreError("disk gone"), RuntimeError("a bug"))):
        desk.committee.fails = error
        desk.ask(n)
        until(lambda n=n: (h := desk.background.newest("BTC/USDT", ASOF)) and h.asof == ASOF + n * HOUR)
    desk.committee.fails = None
    desk.ask(2)
    until(lambda: desk.seat.has_news("BTC/USDT"))
    assert "disk gone" in caplog.text
    assert "a bug" in caplog.text
    desk.background.close()


def test_closing_ends_the_workers() -> None:
    desk = Desk(workers=3)
    before = threading.active_count()
    desk.background.close()
    until(lambda: threading.active_count() <= before - 3)
