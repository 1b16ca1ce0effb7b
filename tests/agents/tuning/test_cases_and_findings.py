"""Recorded decisions as cases: split by time, rewarded as Hedge is, and summed up by code."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.agents.tuning.cases import overlapping_moments, split_by_time, tuning_cases
from agent_market.agents.tuning.findings import findings, rank_correlation
from agent_market.config import DecisionSettings
from agent_market.llm.egress.identifiers import Vocabulary
from agent_market.llm.egress.masking import Disguises
from agent_market.records import AgentView, Outcome
from tests.helpers.planted_decisions import DEVIATION, PLANTED, START, recorded, role

SETTINGS = DecisionSettings()


def test_only_decisions_of_the_role_with_a_known_outcome_are_cases() -> None:
    whole = recorded(4, 0.0, 1)
    open_one = replace(whole[1], outcome=None)
    without = replace(whole[2], views=tuple(v for v in whole[2].views if v.agent != "aggressive"))
    flat = replace(whole[3], view=replace(whole[3].view, features={"volatility_24": 0.0}))
    cases = tuning_cases([flat, without, open_one, whole[0]], "aggressive", SETTINGS)
    assert [case.id for case in cases] == [whole[0].id]
    assert cases[0].deviation == pytest.approx(DEVIATION)


def test_a_case_knows_the_decisions_of_its_pair_before_it_newest_first() -> None:
    whole = recorded(3, 0.0, 1, pairs=("BTC/USDT", "ETH/USDT"))
    last = tuning_cases(whole, "judge", SETTINGS)[-1]
    assert [e.view.pair for e in last.before] == ["ETH/USDT", "ETH/USDT"]
    assert [e.view.asof for e in last.before] == [START + timedelta(hours=12), START]


def test_the_reward_is_return_times_depth_less_costs_in_units_of_the_expected_move() -> None:
    (case,) = tuning_cases(recorded(1, 0.0, 1), "aggressive", SETTINGS)
    case = replace(case, outcome=Outcome(0.5 * DEVIATION, 0.0, 0.0, 0.1 * DEVIATION, case.outcome.known_at))
    # Half a deviation at depth 5 of 10, less half of one side: 0.25 - 0.025, over a scale of 3.
    assert case.reward(AgentView("aggressive", 5.0, 0.5), SETTINGS) == pytest.approx(0.225 / 3)
    assert case.reward(AgentView.abstain("aggressive", "down"), SETTINGS) == 0.0
    assert case.normalised_return == pytest.approx(0.5)


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(0, 60),
    share=st.floats(0.05, 0.95),
    pairs=st.integers(1, 3),
    late=st.integers(1, 100),
)
def test_training_was_known_before_validation_began(count: int, share: float, pairs: int, late: int) -> None:
    names = ("BTC/USDT", "ETH/USDT", "SOL/USDT")[:pairs]
    episodes = [
        replace(e, outcome=replace(e.outcome, known_at=e.view.asof + timedelta(hours=1 + (7 * i) % late)))
        for i, e in enumerate(recorded(count, 0.0, 2, pairs=names))
        if e.outcome
    ]
    cases = tuning_cases(episodes, "judge", SETTINGS)
    split = split_by_time(cases, share)
    if not cases:
        assert split.boundary is None
        return
    assert split.boundary is not None
    assert split.validation
    assert all(c.asof < split.boundary and c.outcome.known_at <= split.boundary for c in split.training)
    assert all(c.asof >= split.boundary for c in split.validation)
    assert len(split.validation) >= int(len(cases) * share)
    assert not {c.id for c in split.training} & {c.id for c in split.validation}


def test_outcomes_overlap_as_many_moments_as_fall_into_a_horizon() -> None:
    cases = tuning_cases(recorded(50, 0.0, 3), "judge", SETTINGS)
    assert overlapping_moments(cases) == 1
    dense = [replace(c, episode=replace(c.episode, due=c.episode.due + timedelta(hours=24))) for c in cases]
    assert overlapping_moments(dense) == 3
    assert overlapping_moments(cases[:1]) == 1


def test_rank_correlation_by_hand() -> None:
    # Ranks 1 2 3 4 against 1 3 2 4: 1 - 6 * 2 / (4 * 15) = 0.8, t = 0.8 sqrt(2 / 0.36).
    r, t = rank_correlation([1.0, 2.0, 3.0, 4.0], [10.0, 30.0, 20.0, 99.0])
    assert r == pytest.approx(0.8)
    assert t == pytest.approx(0.8 * np.sqrt(2 / 0.36))
    assert rank_correlation([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) == (0.0, 0.0)


def test_findings_put_the_planted_number_first_and_name_nothing_absolute() -> None:
    cases = tuning_cases(recorded(1_500, 0.4, 4), "aggressive", SETTINGS)
    views = [AgentView("aggressive", 1.0, 0.5, f"belief {i}") for i, _ in enumerate(cases)]
    rewards = [case.reward(view, SETTINGS) for case, view in zip(cases, views, strict=True)]
    found = findings(role(), "belief", "Old.", cases, views, rewards, shown=4)
    assert found["evidence"][0]["name"] == PLANTED
    assert found["evidence"][0]["ic"] == pytest.approx(0.4, abs=0.1)
    assert found["mean_reward"] == pytest.approx(np.mean(rewards), abs=1e-4)
    assert len(found["cases"]) == 4
    assert [c["reward"] for c in found["cases"]] == sorted(c["reward"] for c in found["cases"])
    assert "BTC" not in str(found)
    assert "2022" not in str(found)


def test_the_reflecting_model_reads_of_a_series_by_the_name_that_the_agent_saw() -> None:
    whole = [
        replace(e, view=replace(e.view, context={"funding_btc": i / 1_000, "vix": 20.0 + i}))
        for i, e in enumerate(recorded(60, 0.0, 5))
    ]
    cases = tuning_cases(whole, "conservative", SETTINGS)
    views = [AgentView("conservative", 1.0, 0.5) for _ in cases]
    rewards = [0.0 for _ in cases]
    masked = findings(
        role("conservative"), "belief", "Old.", cases, views, rewards, 2, Disguises(Vocabulary())
    )
    assert "btc" not in str(masked)
    assert {"funding_ASSET", "vix"} <= {row["name"] for row in masked["evidence"]} | set(
        masked["cases"][0]["saw"]
    )


def test_an_agent_is_told_only_of_numbers_that_it_may_see() -> None:
    whole = [
        replace(e, view=replace(e.view, features={**e.view.features, "rsi_14": 0.5 + i / 1_000}))
        for i, e in enumerate(recorded(60, 0.0, 5))
    ]
    cases = tuning_cases(whole, "aggressive", SETTINGS)
    views = [AgentView("aggressive", 1.0, 0.5) for _ in cases]
    rewards = [0.0 for _ in cases]
    shown = findings(role(), "belief", "Old.", cases, views, rewards, 2)
    assert "rsi_14" not in {row["name"] for row in shown["evidence"]}
    judge = findings(role("judge"), "belief", "Old.", cases, views, rewards, 2)
    assert {row["name"] for row in judge["evidence"]} == {"aggressive", "conservative", "quant", "memory"}
