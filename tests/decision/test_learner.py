from __future__ import annotations

from dataclasses import replace

import pytest

from agent_market.config import DecisionSettings
from agent_market.decision.hedge import Hedge
from agent_market.decision.learner import WeightLearner
from tests.helpers.episode_makers import a_view, an_episode, an_outcome

AGENTS = ("bull", "bear", "absent")
AWAKE = dict.fromkeys(AGENTS, 1.0)
SETTINGS = DecisionSettings(reward_scale=2.0, horizon_candles=4)


def test_an_outcome_moves_weight_to_who_was_right_by_the_rewards_of_the_episode() -> None:
    # volatility 0.01 over 4 candles: expected 0.02; reward of the bull 0.5 * 0.02 - 0.5 * 0.002 = 0.009,
    # of the bear -0.5 * 0.02 - 0.5 * 0.002 = -0.011; over 2 * 0.02: 0.225 and -0.275
    episode = an_episode(0, depths={"bull": 5.0, "bear": -5.0}, outcome=an_outcome(4, 0.02, cost=0.004))
    learner = WeightLearner(AGENTS, SETTINGS)
    expected = Hedge(AGENTS)
    expected.learn({"bull": 0.225, "bear": -0.275}, {"bull": 0.5, "bear": 0.5})
    weights = learner.weights((episode,), AWAKE)
    assert weights == pytest.approx(expected.weights(AGENTS))
    assert weights["bull"] > weights["absent"] > weights["bear"]


def test_an_abstention_is_not_judged_as_a_hold() -> None:
    episode = an_episode(0, depths={"bull": 5.0, "bear": 0.0}, outcome=an_outcome(4, 0.02))
    asleep = replace(episode.views[1], abstained_reason="the endpoint was down")
    abstained = replace(episode, views=(episode.views[0], asleep))
    held = WeightLearner(AGENTS, SETTINGS).weights((episode,), AWAKE)
    slept = WeightLearner(AGENTS, SETTINGS).weights((abstained,), AWAKE)
    assert held["bull"] > held["bear"]
    assert slept["bull"] == slept["bear"] == slept["absent"]


def test_without_an_expected_deviation_nothing_is_learned() -> None:
    episode = an_episode(0, depths={"bull": 5.0, "bear": -5.0}, outcome=an_outcome(4, 0.02))
    blind = replace(episode, view=a_view(0, features={}))
    assert WeightLearner(AGENTS, SETTINGS).weights((blind,), {"bull": 5.0, "bear": -5.0})["bull"] == 0.5


def test_an_earlier_moment_and_a_late_arrival_are_learned_from_the_start() -> None:
    first, second, late = (
        an_episode(h, depths={"bull": 5.0, "bear": -5.0}, outcome=an_outcome(h + 4, r))
        for h, r in ((0, 0.02), (4, -0.03), (2, 0.01))
    )
    learner = WeightLearner(AGENTS, SETTINGS)

    def fresh(*episodes) -> dict[str, float]:
        return WeightLearner(AGENTS, SETTINGS).weights(episodes, AWAKE)

    assert learner.weights((first, second), AWAKE) == fresh(first, second)
    assert learner.weights((first,), AWAKE) == fresh(first)
    assert learner.weights((first, late, second), AWAKE) == fresh(first, late, second)
    assert learner.weights((), AWAKE) == fresh()


def test_to_hold_a_view_costs_its_turnover_once_not_at_every_decision() -> None:
    settings = DecisionSettings(horizon_candles=4, max_age_candles=8)
    made = tuple(
        an_episode(h, depths={"bull": 10.0, "absent": 0.0}, outcome=an_outcome(h + 4, 0.0, cost=0.004))
        for h in (0, 4, 8)
    )
    once = WeightLearner(AGENTS, settings).weights(made[:1], AWAKE)
    thrice = WeightLearner(AGENTS, settings)
    thrice.weights(made, AWAKE)
    gains = thrice._weighting.at("").gains
    assert once["bull"] < once["absent"]
    # A round trip at each decision would have cost the bull three times as much.
    assert gains["absent"] - gains["bull"] == pytest.approx(0.002 / (3.0 * 0.02) / 2.0)


def test_a_prior_is_a_factor_on_what_is_learned() -> None:
    prior = DecisionSettings(weighting_prior={"bull": 3.0})
    assert WeightLearner(AGENTS, prior).weights((), AWAKE) == pytest.approx(
        {"bull": 0.6, "bear": 0.2, "absent": 0.2}
    )
    assert WeightLearner(AGENTS, prior).weights((), {"bear": 1.0}) == {
        "bull": 0.0,
        "bear": 1.0,
        "absent": 0.0,
    }
