"""What the report says about confidence, worked out by hand."""

from __future__ import annotations

import pytest

from agent_market.config import CalibrationSettings
from agent_market.reports.calibration import FUSED, calibration_rows, reliability_figure
from tests.helpers.episode_makers import an_episode, an_outcome

# Makers state a confidence of 0.5 for every agent: right 3 of 4 times is an error of 0.25.
EPISODES = [
    an_episode(12 * i, depths={"quant": 2.0, "memory": -1.0}, outcome=an_outcome(12 * i + 12, change))
    for i, change in enumerate([0.01, 0.02, -0.01, 0.01])
]


def test_every_agent_and_the_fused_decision_have_a_row() -> None:
    quant, memory, fused = calibration_rows(EPISODES, CalibrationSettings())
    assert (quant.name, quant.count, quant.hit_rate, quant.confidence) == ("quant", 4, 0.75, 0.5)
    assert quant.brier == 0.25
    assert quant.error == pytest.approx(0.25)
    assert not quant.earned
    assert (memory.name, memory.hit_rate) == ("memory", 0.25)
    assert (fused.name, fused.hit_rate) == (FUSED, 0.75)


def test_an_error_within_the_limit_is_earned() -> None:
    row = calibration_rows(EPISODES, CalibrationSettings(largest_error=0.3))[0]
    assert row.earned


def test_agents_without_an_outcome_have_none() -> None:
    assert calibration_rows([an_episode(0)], CalibrationSettings()) == ()


def test_the_figure_has_the_diagonal_and_one_curve_a_row_with_its_interval() -> None:
    rows = calibration_rows(EPISODES, CalibrationSettings())
    figure = reliability_figure(rows)
    assert [trace.name for trace in figure.data] == ["earned", "quant", "memory", FUSED]
    bin_ = rows[0].curve[0]
    assert figure.data[1].y[0] == 0.75
    assert figure.data[1].error_y.array[0] == pytest.approx(bin_.high - 0.75)
    assert figure.data[1].customdata[0] == 4
