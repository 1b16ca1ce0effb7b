"""The quant agent's arithmetic, against answers worked out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from agent_market.pipeline.quant import QuantModel, fit_quality, quant_view, skill_voice, target
from agent_market.records import Evidence


def model(std: float) -> QuantModel:
    return QuantModel(None, None, None, std, 0.5)  # type: ignore[arg-type]


def test_the_target_is_the_forward_return_in_units_of_expected_deviation() -> None:
    close = pd.Series([100.0, 101.0, 104.0, 102.0])
    result = target(close, pd.Series([0.01] * 4), horizon=2)
    assert result.iloc[0] == pytest.approx(np.log(1.04) / (0.01 * np.sqrt(2)))
    assert result.iloc[2:].isna().all()


def test_the_target_is_unknown_without_volatility() -> None:
    result = target(pd.Series([100.0, 101.0, 102.0]), pd.Series([0.0, np.nan, 0.01]), horizon=1)
    assert result.isna().all()


def test_a_prediction_of_typical_size_speaks_with_depth_4_6() -> None:
    assert model(0.2).depth(np.array([0.2, -0.2, 0.0])) == pytest.approx([4.62117, -4.62117, 0.0], rel=1e-5)


def test_a_model_that_predicts_a_constant_has_no_opinion() -> None:
    assert model(0.0).depth(np.array([0.3, -0.3])).tolist() == [0.0, 0.0]


def test_quality_counts_signs_and_leaves_zeros_out() -> None:
    std, test = fit_quality(np.array([1.0, -1.0, 1.0, 0.0]), np.array([0.5, 0.5, 2.0, 1.0]))
    assert test.win_rate == pytest.approx(2 / 3)
    assert (test.cases, test.payoff) == (3, 2.5)  # wins 0.5 and 2 on average, one loss of 0.5
    assert std == pytest.approx(np.std([1.0, -1.0, 1.0, 0.0]))


def test_quality_without_any_sign_is_a_coin() -> None:
    assert fit_quality(np.zeros(3), np.ones(3)) == (0.0, Evidence(0, 0.5, 0.0, 1.0))


def test_a_row_that_freqai_does_not_trust_is_an_abstention() -> None:
    assert quant_view(3.0, 0.1, usable=False, test=Evidence(100, 0.6, 0.5, 0.7)).abstains
    assert quant_view(float("nan"), 0.1, usable=True, test=Evidence(100, 0.6, 0.5, 0.7)).abstains
    assert quant_view(3.0, 0.1, usable=True, test=Evidence(100, 0.6, 0.5, 0.7)).depth == 3.0


def test_the_quant_is_as_loud_as_its_skill() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(size=600)
    assert skill_voice(truth, truth + rng.normal(size=600), 12) == 1.0
    assert skill_voice(-truth, truth, 12) == 0.0
    assert skill_voice(rng.normal(size=600), truth, 12) < 0.6
    assert skill_voice(truth[:30], truth[:30], 12) == 0.0  # two and a half independent outcomes
    assert skill_voice(np.ones(600), truth, 12) == 0.0


def test_the_skill_of_overlapping_outcomes_counts_once() -> None:
    x, y = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 7.0]), np.array([2.0, 1.0, 4.0, 3.0, 6.0, 5.0])
    rho = np.corrcoef(x, y)[0, 1]
    assert skill_voice(x, y, 2) == pytest.approx(min(rho * np.sqrt(1.0 / (1.0 - rho * rho)) / 2.0, 1.0))
