"""From columns to the depth that a strategy trades on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from agent_market.config import CalibrationSettings, MemorySettings
from agent_market.strategy.signals import Fusion, earned_share, entry_tags, fused_depth, side_spells

AGENTS = ("quant", "memory")
MEMORY = MemorySettings(k=4, k_max=4, min_neighbours=2)


def columns(**changes: list[float]) -> pd.DataFrame:
    base: dict[str, list[float]] = {
        "depth_quant": [8.0],
        "depth_memory": [-4.0],
        "weight_quant": [0.75],
        "weight_memory": [0.25],
        "risk_scale_long": [1.0],
        "risk_scale_short": [1.0],
        "recall_count": [4.0],
        "recall_return_0": [0.01],
        "recall_return_1": [0.01],
        "recall_return_2": [-0.02],
        "recall_return_3": [-0.03],
    }
    return pd.DataFrame(base | changes)


def depth(frame: pd.DataFrame, **fusion: object) -> float:
    return float(fused_depth(frame, AGENTS, MEMORY, Fusion(**fusion))[0])  # type: ignore[arg-type]


def test_the_default_fusion_is_the_weighted_mean() -> None:
    assert depth(columns()) == pytest.approx(0.75 * 8 - 0.25 * 4)


def test_a_multiplier_of_zero_takes_an_agent_out() -> None:
    assert depth(columns(), multipliers={"memory": 0.0}) == pytest.approx(8.0)


def test_equal_weights_ignore_what_was_learned_but_not_abstentions() -> None:
    assert depth(columns(), equal=True) == pytest.approx(2.0)
    assert depth(columns(weight_memory=[0.0]), equal=True) == pytest.approx(8.0)


def test_a_high_temperature_flattens_the_weights() -> None:
    assert depth(columns(), temperature=1e9) == pytest.approx(2.0, abs=1e-6)


def test_risk_scales_the_side_that_was_fused() -> None:
    assert depth(columns(risk_scale_long=[0.5])) == pytest.approx(2.5)
    assert depth(columns(depth_quant=[-8.0], risk_scale_long=[0.5])) == pytest.approx(-7.0)


def test_memory_k_recomputes_the_memory_agents_depth_from_the_nearest() -> None:
    near = depth(columns(), multipliers={"quant": 0.0}, memory_k=2)
    far = depth(columns(), multipliers={"quant": 0.0}, memory_k=4)
    assert near == pytest.approx(10.0)
    assert far < 0.0


def test_without_the_models_columns_the_depth_is_zero() -> None:
    frame = pd.DataFrame({"close": [1.0, 2.0]})
    assert fused_depth(frame, AGENTS, MEMORY, Fusion(memory_k=4)).tolist() == [0.0, 0.0]


def test_an_entry_tag_names_its_decision_and_fits_freqtrades_255_characters() -> None:
    tags = entry_tags("BTC/USDT", np.array([4.25, 1.0]), np.array([1704456000.0, 0.0]))
    assert tags.tolist() == ["agents +4.2 BTC/USDT@2024-01-05T12:00Z", ""]
    assert max(map(len, tags)) <= 255


def test_spells_are_the_stretches_on_one_side_beyond_the_threshold() -> None:
    spells = side_spells(np.array([0.0, 3.0, 4.0, 1.0, -2.0, -5.0, 3.0]), threshold=2.0)
    assert spells == [(1, 2, 1), (4, 5, -1), (6, 6, 1)]
    assert side_spells(np.array([]), threshold=2.0) == []


def sized(confidence: float, usable: float, depth: float) -> pd.DataFrame:
    columns = {"confidence_calibrated": confidence, "confidence_usable": usable, "fused_depth": depth}
    return pd.DataFrame([dict.fromkeys(columns, 0.0), columns])


def test_the_stake_follows_the_confidence_in_the_side_that_is_traded() -> None:
    settings = CalibrationSettings(size_by_confidence=True)
    assert earned_share(sized(0.525, 1.0, 3.0), "long", settings) == pytest.approx(0.625)
    assert earned_share(sized(0.525, 1.0, -3.0), "short", settings) == pytest.approx(0.625)
    # Against the committee's side its doubt counts: 0.475 leaves the least.
    assert earned_share(sized(0.525, 1.0, 3.0), "short", settings) == 0.25


def test_without_an_earned_confidence_the_whole_stake_is_used() -> None:
    settings = CalibrationSettings(size_by_confidence=True)
    assert earned_share(sized(0.3, 0.0, 3.0), "long", settings) == 1.0
    assert earned_share(pd.DataFrame({"close": [1.0]}), "long", settings) == 1.0
    assert earned_share(pd.DataFrame(), "long", settings) == 1.0
