"""What every weighting keeps to, whichever the settings choose."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.config import DecisionSettings, load_settings
from agent_market.decision.experts import WEIGHTINGS, ByRegime, make_weighting
from agent_market.decision.experts.virtual_experts import seats, with_seats
from agent_market.decision.hedge import Hedge
from agent_market.decision.learner import WeightLearner
from agent_market.errors import ConfigError
from agent_market.records import AgentView
from tests.helpers.episode_makers import an_episode, an_outcome

NAMES = ("a", "b", "c", "d")
ALL = dict.fromkeys(NAMES, 1.0)
every = pytest.mark.parametrize("name", sorted(WEIGHTINGS))

steps = st.lists(
    st.dictionaries(st.sampled_from(NAMES), st.floats(-1, 1), min_size=0, max_size=4), max_size=25
)


def a_weighting(name: str):
    return make_weighting(NAMES, DecisionSettings(weighting=name))


@every
@given(steps, st.dictionaries(st.sampled_from(NAMES), st.floats(-10, 10)))
def test_weights_are_shares_of_those_awake(name, history, awake) -> None:
    weighting = a_weighting(name)
    for rewards in history:
        weighting.learn(rewards, weighting.weights(rewards))
    shares = weighting.weights(awake)
    assert set(shares) == set(NAMES)
    assert all(value >= 0.0 for value in shares.values())
    assert all(shares[n] == 0.0 for n in NAMES if n not in awake)
    assert math.fsum(shares.values()) == pytest.approx(1.0 if awake else 0.0, abs=1e-9)


@every
def test_to_sleep_through_an_outcome_moves_nobody_elses_ratio(name) -> None:
    """Where one expert sleeps, the others' weights are those of a run without it ever having spoken."""
    if name == "newton":
        pytest.skip("the Newton step's metric couples all experts")
    rng = np.random.default_rng(2)
    with_sleeper, without = a_weighting(name), make_weighting(NAMES, DecisionSettings(weighting=name))
    for _ in range(40):
        rewards = dict(zip("abc", rng.uniform(-1, 1, 3), strict=True))
        shares = with_sleeper.weights(rewards)
        with_sleeper.learn(rewards, shares)
        without.learn(rewards, shares)
    three = dict.fromkeys("abc", 1.0)
    assert with_sleeper.weights(three) == pytest.approx(without.weights(three))
    assert with_sleeper.weights(three)["d"] == 0.0


@every
def test_outcomes_of_strangers_and_of_nobody_teach_nothing(name) -> None:
    taught, untaught = a_weighting(name), a_weighting(name)
    taught.learn({"stranger": 1.0}, {})
    taught.learn({}, {})
    assert taught.weights(ALL) == untaught.weights(ALL)


@every
@pytest.mark.parametrize("reward", [1.5, -1.01, math.nan])
def test_a_reward_out_of_range_is_refused(name, reward) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        a_weighting(name).learn({"a": reward}, ALL)


@every
def test_a_reliable_expert_gains_on_a_reliable_loser(name) -> None:
    if name in ("uniform", "majority"):
        pytest.skip("learns nothing by design")
    weighting = a_weighting(name)
    for _ in range(50):
        weighting.learn({"a": 0.5, "b": -0.5, "c": 0.0, "d": 0.0}, weighting.weights(ALL))
    shares = weighting.weights(ALL)
    assert shares["a"] > 0.5 > shares["b"]


@every
def test_several_outcomes_at_once_and_late_are_taken(name) -> None:
    weighting = a_weighting(name)
    held = weighting.weights(ALL)
    for reward in (0.9, -0.9, 0.4):
        weighting.learn({"a": reward, "b": -reward}, held)
    assert math.fsum(weighting.weights(ALL).values()) == pytest.approx(1.0)


def test_the_default_is_hedge_to_the_last_bit() -> None:
    chosen, hedge = make_weighting(NAMES, DecisionSettings()), Hedge(NAMES)
    assert isinstance(chosen, Hedge)
    for weighting in (chosen, hedge):
        weighting.learn({"a": 0.3, "b": -0.2}, ALL)
    assert chosen.weights(ALL) == hedge.weights(list(NAMES))


def test_each_regime_is_taught_by_its_own_outcomes() -> None:
    split, shared = (ByRegime(lambda: Hedge(NAMES), split=s) for s in (True, False))
    for book in (split, shared):
        book.at("chop-calm").learn({"a": 1.0, "b": -1.0}, ALL)
    assert split.at("chop-calm").weights(ALL)["a"] > 0.25
    assert split.at("up-calm").weights(ALL)["a"] == 0.25
    assert shared.at("up-calm").weights(ALL)["a"] > 0.25


def test_the_learner_keeps_regimes_apart_where_asked() -> None:
    episode = an_episode(0, depths={"a": 5.0, "b": -5.0}, outcome=an_outcome(4, 0.02))
    settings = DecisionSettings(weighting="adahedge", weighting_per_regime=True, horizon_candles=4)
    learner = WeightLearner(NAMES, settings)
    there = learner.weights((episode,), ALL, episode.view.regime)
    elsewhere = learner.weights((episode,), ALL, "some other regime")
    assert there["a"] > elsewhere["a"] == 0.25


def test_cash_and_mirrors_take_seats_after_the_agents() -> None:
    settings = DecisionSettings(weighting_cash=True, weighting_mirrors=True)
    views = (AgentView("a", 4.0, 0.7), AgentView.abstain("b", "down"))
    seated = with_seats(views, settings)
    assert tuple(view.agent for view in seated) == seats(("a", "b"), settings)
    assert seats(("a", "b"), settings) == ("a", "b", "not_a", "not_b", "cash")
    mirror, asleep, cash = seated[2:]
    assert (mirror.depth, mirror.confidence) == (-4.0, 0.7)
    assert asleep.abstained_reason == "down"
    assert (cash.depth, cash.abstains) == (0.0, False)


def test_without_the_options_nobody_is_seated() -> None:
    views = (AgentView("a", 4.0, 0.7),)
    assert with_seats(views, DecisionSettings()) == views
    assert seats(("a",), DecisionSettings()) == ("a",)


def test_cash_is_worth_nothing_and_beats_all_who_lose() -> None:
    settings = DecisionSettings(weighting="adahedge", weighting_cash=True, horizon_candles=4)
    learner = WeightLearner(seats(("a", "b"), settings), settings)
    episode = an_episode(0, depths={"a": 5.0, "b": -5.0}, outcome=an_outcome(4, 0.0001, cost=0.01))
    episode = replace(episode, views=with_seats(episode.views, settings))
    assert learner.weights((episode,), {"a": 5.0, "b": -5.0, "cash": 0.0})["cash"] > 0.5


def test_an_unknown_weighting_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"decision\.weighting"):
        load_settings({"agent_market": {"decision": {"weighting": "adahege"}}})
