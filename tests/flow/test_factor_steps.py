from __future__ import annotations

from datetime import UTC, datetime

from agent_market.flow.steps import STEPS, chosen_steps
from agent_market.flow.steps.factors import spans_of
from tests.helpers.flow_files import plan_of


def test_a_search_ends_where_its_round_begins_and_is_judged_on_the_round_before(tmp_path):
    plan = plan_of(tmp_path, rounds=3, expressions={"history_days": 100, "promote_share": 0.2})
    day = datetime(2024, 1, 1, tzinfo=UTC)
    first = datetime(2023, 9, 23, tzinfo=UTC)
    spans = [spans_of(plan, number) for number in (1, 2, 3)]
    assert [(search.start, search.end) for search, _ in spans] == [
        (first, datetime(2023, 12, 12, tzinfo=UTC)),
        (first, day),
        (first, datetime(2024, 1, 11, tzinfo=UTC)),
    ]
    assert [prove.end for _, prove in spans] == [day, *(datetime(2024, 1, d, tzinfo=UTC) for d in (11, 21))]
    assert all(search.end == prove.start for search, prove in spans)
    assert plan.candles_from == first


def test_mining_is_part_of_a_flow_only_where_it_is_configured(tmp_path):
    assert "expressions" not in chosen_steps(plan_of(tmp_path))
    assert chosen_steps(plan_of(tmp_path, expressions={}))[:3] == ("download", "expressions", "features")
    assert STEPS.index("features") < STEPS.index("backtest")
