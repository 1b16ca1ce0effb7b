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
    # volatility 0.01 over 4 candles: expected 0.02; reward of the bull 0.5 * 0.02 - 0.5 * 0.004 = 0.008,
    # of the bear -0.5 * 0.02 - 0.5 * 0.004 = -0.012; over 2 * 0.02: 0.2 and -0.3
    episode = an_episode(0, depths={"bull": 5.0, "bear": -5.0}, outcome=an_outcome(4, 0.02, cost=0.004))
    learner = WeightLearner(AGENTS, SETTINGS)
    expected = Hedge(AGENTS)
    expected.learn({"bull": 0.2, "bear": -0.3}, {"bull": 0.5, "bear": 0.5})
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
