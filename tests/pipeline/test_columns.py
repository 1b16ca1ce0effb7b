"""The columns that decisions leave on the rows they hold for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from agent_market.pipeline.columns import ColumnSchema, HeldDecision, stack
from agent_market.records import AgentView, Decision, Episode, MarketView, Neighbour, Recall, RiskResult

SCHEMA = ColumnSchema(("quant", "judge"), k_max=2)
HOUR = 3600


def held(asof_s: int, fused: float = 1.0) -> HeldDecision:
    names = SCHEMA.held()
    values = [0.0] * len(names)
    values[names.index("fused_depth")] = fused
    values[names.index("decision_time")] = float(asof_s)
    return HeldDecision(asof_s, tuple(values))


def closes(n: int) -> np.ndarray:
    return np.arange(1, n + 1, dtype=np.int64) * HOUR


def episode() -> Episode:
    asof = datetime(1970, 1, 1, 1, tzinfo=UTC)
    view = MarketView("BTC/USDT", "1h", asof, {}, {}, "chop-calm", (0.0,))
    recall = Recall(asof, (Neighbour("e", asof - timedelta(hours=9), asof, 0.5, 0.02),))
    views = (AgentView("judge", 4.0, 0.6), AgentView.abstain("quant", "no prediction"))
    weights = {"judge": 1.0, "quant": 0.0}
    decision = Decision("d", "BTC/USDT", asof, 4.0, "buy", 0.6, weights, {"judge": 4.0, "quant": 0.0})
    return Episode("s", view, recall, views, decision, RiskResult(2.0, "buy"), asof)


def test_an_episode_becomes_one_row_of_numbers_by_agent_not_by_order_of_speech() -> None:
    row = dict(zip(SCHEMA.held(), SCHEMA.row(episode(), 0.5, 1.0, 0.55, True).values, strict=True))
    assert row == {
        "depth_quant": 0.0,
        "depth_judge": 4.0,
        "confidence_quant": 0.0,
        "confidence_judge": 0.6,
        "weight_quant": 0.0,
        "weight_judge": 1.0,
        "contribution_quant": 0.0,
        "contribution_judge": 4.0,
        "turns_quant": 0.0,
        "turns_judge": 0.0,
        "dispersion": 0.0,
        "net_shift": 0.0,
        "net_weights": 0.0,
        "net_depth": 0.0,
        "fused_depth": 4.0,
        "traded_depth": 2.0,
        "confidence_calibrated": 0.55,
        "confidence_usable": 1.0,
        "risk_scale_long": 0.5,
        "risk_scale_short": 1.0,
        "recall_count": 1.0,
        "recall_return_0": 0.02,
        "recall_return_1": 0.0,
        "recall_distance_0": 0.5,
        "recall_distance_1": 0.0,
        "decision_time": 3600.0,
    }


def test_a_decision_holds_from_its_own_row_until_the_next() -> None:
    frame = SCHEMA.frame(closes(5), [held(2 * HOUR, 1.0), held(4 * HOUR, -3.0)], HOUR, max_age=48)
    assert frame["fused_depth"].tolist() == [0.0, 1.0, 1.0, -3.0, -3.0]
    assert frame["decision_age"].tolist() == [0, 0, 1, 0, 1]


def test_a_decision_older_than_the_limit_no_longer_holds() -> None:
    frame = SCHEMA.frame(closes(5), [held(1 * HOUR)], HOUR, max_age=2)
    assert frame["fused_depth"].tolist() == [1.0, 1.0, 1.0, 0.0, 0.0]
    assert frame["decision_time"].tolist() == [HOUR, HOUR, HOUR, 0, 0]


def test_without_decisions_every_column_is_there_and_zero() -> None:
    frame = SCHEMA.frame(closes(3), [], HOUR, max_age=2)
    assert list(frame.columns) == [*SCHEMA.held(), "decision_age"]
    assert (frame == 0.0).all().all()


def test_names_need_no_special_characters_that_freqai_reads_as_labels_or_features() -> None:
    assert not any("&" in name or "%" in name for name in SCHEMA.names())


@given(
    rows=st.integers(1, 60),
    times=st.lists(st.integers(1, 60), unique=True),
    max_age=st.integers(1, 20),
    cut=st.integers(1, 60),
)
def test_cutting_the_future_off_changes_no_row_that_is_left(
    rows: int, times: list[int], max_age: int, cut: int
) -> None:
    decisions = [held(t * HOUR, float(t)) for t in sorted(times)]
    whole = SCHEMA.frame(closes(rows), decisions, HOUR, max_age)
    kept = min(cut, rows)
    known = [d for d in decisions if d.asof_s <= kept * HOUR]
    pd.testing.assert_frame_equal(SCHEMA.frame(closes(kept), known, HOUR, max_age), whole.iloc[:kept])


def test_a_column_that_is_absent_stacks_as_zero() -> None:
    frame = pd.DataFrame({"weight_quant": [0.25, 0.75]})
    assert stack(frame, "weight", ["quant", "judge"]).tolist() == [[0.25, 0.0], [0.75, 0.0]]
