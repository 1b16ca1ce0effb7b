from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.decision.hedge import Hedge


def test_weights_start_equal_and_only_those_awake_have_any() -> None:
    hedge = Hedge(["a", "b", "c"])
    assert hedge.weights({"a", "b", "c"}) == {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}
    assert hedge.weights({"a", "c"}) == {"a": 0.5, "b": 0.0, "c": 0.5}
    assert hedge.weights({"stranger"}) == {"a": 0.0, "b": 0.0, "c": 0.0}


def test_two_steps_worked_out_by_hand() -> None:
    hedge = Hedge(["a", "b"])
    hedge.learn({"a": 1.0, "b": -1.0}, {"a": 0.5, "b": 0.5})
    # gains 1 and 0; t = 2: eta = sqrt(8 ln 2 / 2) = 1.66511; w = 1 / (1 + e^-1.66511)
    assert hedge.gains == {"a": 1.0, "b": 0.0}
    assert hedge.weights({"a", "b"})["a"] == pytest.approx(0.84092, abs=1e-5)
    hedge.learn({"a": -0.5, "b": 0.5}, {"a": 0.84, "b": 0.16})
    # gains 1.25 and 0.75; t = 3: eta = sqrt(8 ln 2 / 3) = 1.35956; w = 1 / (1 + e^-0.67978)
    assert hedge.gains == {"a": 1.25, "b": 0.75}
    assert hedge.weights({"a", "b"})["a"] == pytest.approx(0.66369, abs=1e-5)


def test_a_sleeper_is_credited_with_the_reward_of_the_algorithm() -> None:
    hedge = Hedge(["a", "b", "c"])
    hedge.learn({"a": 1.0, "b": 0.0}, {"a": 0.75, "b": 0.25, "c": 0.0})
    assert hedge.gains == {"a": 1.0, "b": 0.5, "c": 0.75 * 1.0 + 0.25 * 0.5}


def test_weights_of_sleepers_do_not_count_and_missing_weights_are_todays() -> None:
    one, other = Hedge(["a", "b", "c"]), Hedge(["a", "b", "c"])
    one.learn({"a": 1.0, "b": 0.0}, {"a": 0.3, "b": 0.3, "c": 0.4})
    other.learn({"a": 1.0, "b": 0.0}, {})
    assert one.gains["c"] == pytest.approx(0.75)
    assert other.gains["c"] == pytest.approx(0.75)


def test_what_hedge_does_not_know_teaches_it_nothing() -> None:
    hedge = Hedge(["a", "b"])
    hedge.learn({}, {})
    hedge.learn({"stranger": 1.0}, {"stranger": 1.0})
    assert hedge.steps == 0
    assert hedge.gains == {"a": 0.0, "b": 0.0}


def test_a_single_agent_has_all_the_weight() -> None:
    hedge = Hedge(["a"])
    hedge.learn({"a": -1.0}, {"a": 1.0})
    assert hedge.weights({"a"}) == {"a": 1.0}


def test_a_larger_learning_rate_moves_the_weights_further() -> None:
    weight = {}
    for rate in (0.5, 1.0, 2.0):
        hedge = Hedge(["a", "b"], rate)
        hedge.learn({"a": 0.2, "b": -0.2}, {"a": 0.5, "b": 0.5})
        weight[rate] = hedge.weights({"a", "b"})["a"]
    assert 0.5 < weight[0.5] < weight[1.0] < weight[2.0] < 1.0


@pytest.mark.parametrize("reward", [1.01, -1.01, float("nan"), float("inf")])
def test_a_reward_out_of_range_is_an_error_that_names_the_agent(reward: float) -> None:
    hedge = Hedge(["a", "b"])
    with pytest.raises(ValueError, match="'b'"):
        hedge.learn({"a": 0.0, "b": reward}, {"a": 0.5, "b": 0.5})
    assert hedge.steps == 0


@pytest.mark.parametrize(("agents", "rate"), [([], 1.0), (["a", "a"], 1.0), (["a"], 0.0), (["a"], math.nan)])
def test_a_hedge_that_makes_no_sense_is_refused(agents: list[str], rate: float) -> None:
    with pytest.raises(ValueError, match=r"agents must be|learning_rate"):
        Hedge(agents, rate)


rewards = st.floats(-1, 1)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(rewards, rewards, rewards), min_size=1, max_size=120))
def test_regret_stays_under_the_bound_of_the_textbook(rounds) -> None:
    """Cesa-Bianchi & Lugosi 2006, theorem 2.3: 2 sqrt(T/2 ln N) + sqrt(ln N / 8), for rewards in [0, 1]."""
    agents = ("a", "b", "c")
    hedge, made = Hedge(agents), 0.0
    for values in rounds:
        given_ = dict(zip(agents, values, strict=True))
        weights = hedge.weights(agents)
        made += sum(weights[a] * (given_[a] + 1) / 2 for a in agents)
        hedge.learn(given_, weights)
    regret = max(hedge.gains.values()) - made
    assert regret <= 2 * math.sqrt(len(rounds) / 2 * math.log(3)) + math.sqrt(math.log(3) / 8) + 1e-9


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), rewards, max_size=3), max_size=60),
    st.sets(st.sampled_from("abc"), min_size=1),
)
def test_weights_are_a_distribution_over_those_awake(rounds, awake) -> None:
    hedge = Hedge("abc", learning_rate=20.0)
    for given_ in rounds:
        hedge.learn(given_, hedge.weights(given_))
    weights = hedge.weights(awake)
    assert math.fsum(weights.values()) == pytest.approx(1.0, abs=1e-12)
    assert all((weights[a] > 0) <= (a in awake) and weights[a] >= 0 for a in "abc")
