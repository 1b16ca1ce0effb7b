"""Flip rate and spread of repeated answers, worked out by hand."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from agent_market.agents.diagnostics.stability import FUSED, ask_again, measure_stability, variants_of
from agent_market.config import DecisionSettings, LLMSettings
from agent_market.records import AgentView, Episode
from tests.helpers.episode_makers import an_episode

NAN = math.nan
SETTINGS = DecisionSettings()


def test_flip_rate_and_spread_by_hand() -> None:
    # First question: buy, buy, hold: 2 of 3 pairs differ; depths 2, 4, 0 have deviation 2.
    # Second question: sell, sell, sell: none differs; depths -2, -2, -2.
    (row,) = measure_stability({"judge": np.array([[2.0, 4.0, 0.0], [-2.0, -2.0, -2.0]])}, 1.0)
    assert row.flip_rate == pytest.approx((2 / 3 + 0) / 2)
    assert row.unstable == 0.5
    assert row.depth_spread == pytest.approx(1.0)
    assert row.largest_range == 4.0
    assert (row.questions, row.answers, row.abstained) == (2, 6, 0.0)


def test_an_abstention_is_no_action_and_no_flip() -> None:
    (row,) = measure_stability({"judge": np.array([[3.0, NAN, 3.0], [NAN, NAN, 1.0]])}, 1.0)
    assert row.flip_rate == 0.0
    assert row.abstained == 0.5
    (silent,) = measure_stability({"judge": np.array([[NAN, NAN]])}, 1.0)
    assert (silent.flip_rate, silent.depth_spread, silent.largest_range) == (None, None, None)


def test_each_variant_is_a_question_of_its_own_and_the_first_is_the_recorded_one() -> None:
    llm = LLMSettings(model="m", seed=7)
    assert variants_of(llm, 1, ())[0] == llm
    found = variants_of(llm, 2, ("a", "b"))
    assert [(v.model, v.seed) for v in found] == [("a", 7), ("a", 8), ("b", 7), ("b", 8)]


def test_questions_are_put_to_every_variant_and_fused_with_the_recorded_weights() -> None:
    episodes = [an_episode(12 * i, depths={"quant": 2.0, "judge": 0.0}) for i in range(3)]
    lock, asked = threading.Lock(), []

    def variant(judge: float | None) -> object:
        def ask(episode: Episode) -> Sequence[AgentView]:
            with lock:
                asked.append(episode.id)
            said = AgentView.abstain("judge", "down") if judge is None else AgentView("judge", judge, 0.5)
            return (AgentView("quant", 2.0, 0.5), said)

        return ask

    depths = ask_again(episodes, [variant(4.0), variant(-6.0), variant(None)], SETTINGS, workers=2)
    assert list(depths) == ["quant", "judge", FUSED]
    assert depths["judge"].shape == (3, 3)
    np.testing.assert_array_equal(depths["judge"][0], [4.0, -6.0, NAN])
    # Weights of one half each: (2 + 4) / 2, (2 - 6) / 2, and quant alone.
    np.testing.assert_allclose(depths[FUSED][0], [3.0, -2.0, 2.0])
    assert sorted(asked) == sorted([e.id for e in episodes] * 3)
