"""Who earned what, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from agent_market.config import CostSettings, DecisionSettings
from agent_market.records import Episode
from agent_market.reports.credit import DECISION_NET, RISK, credit_table, parts_of
from tests.helpers.backtest_results import START
from tests.helpers.sample_episodes import make_episode, make_history

DECISION = DecisionSettings()
FREE = CostSettings(fee=0.0, slippage=0.0)
COSTS = CostSettings(fee=0.001, slippage=0.0)


def two(
    n: int,
    depths: tuple[float | None, ...],
    move: float | None,
    regime: str = "up-calm",
    pair: str = "BTC/USDT",
    names: tuple[str, ...] = ("a", "b"),
) -> Episode:
    """The n-th decision, twelve hours after the one before, by agents of equal weight."""
    return make_episode(
        asof=START + timedelta(hours=12 * n),
        pair=pair,
        depths=depths,
        market_return=move,
        regime=regime,
        agents=names,
    )


def by_name(table) -> dict:
    return {row.name: row for row in table.rows}


def test_two_agents_in_two_regimes_by_hand() -> None:
    # +10%: a wholly long, b wholly short, together flat.  Alone a makes 0.1, b -0.1: so much is each worth.
    # Then -4%: a silent, b short by half: b alone makes 0.02, and a nothing.
    episodes = [two(0, (10.0, -10.0), 0.1, "up-calm"), two(1, (None, -5.0), -0.04, "down-wild")]
    table = credit_table(episodes, DECISION, FREE)
    a, b = by_name(table)["a"], by_name(table)["b"]
    assert table.regimes == ("down-wild", "up-calm")
    assert (a.shapley, b.shapley) == pytest.approx((0.1, -0.08))
    assert a.by_regime == pytest.approx({"up-calm": 0.1, "down-wild": 0.0})
    assert b.by_regime == pytest.approx({"up-calm": -0.1, "down-wild": 0.02})
    assert a.left_out_by_regime == pytest.approx({"up-calm": 0.1, "down-wild": 0.0})
    assert (table.total, table.decisions) == (pytest.approx(0.02), 2)


def test_costs_of_turnover_are_paid_by_who_causes_them() -> None:
    # a holds 1 all along: one entry, 10 bp.  b says 0 then 1.  Equal weights: 0.5, then 1.0.  No move.
    episodes = [two(0, (10.0, 0.0), 0.0), two(1, (10.0, 10.0), 0.0)]
    table = credit_table(episodes, DECISION, COSTS)
    a, b = by_name(table)["a"], by_name(table)["b"]
    # Coalitions: none 0, a -0.001, b -0.001, both -0.001.
    assert (a.shapley, b.shapley) == pytest.approx((-0.0005, -0.0005))
    assert (a.leave_one_out, b.leave_one_out) == pytest.approx((0.0, 0.0))


def test_the_decision_net_and_the_risk_limits_are_sources_of_their_own() -> None:
    made = two(0, (10.0, 0.0), 0.1)
    moved = replace(made.decision, depth=8.0, shift=3.0)
    episode = replace(made, decision=moved, verdict=replace(made.verdict, depth=4.0))
    rows = by_name(credit_table([episode], DECISION, FREE))
    # 5 of the agents makes 0.05; 8 would 0.08, of which the net brought 0.03; risk left 4: 0.04 less.
    assert rows["a"].shapley + rows["b"].shapley == pytest.approx(0.05)
    assert rows[DECISION_NET].shapley == pytest.approx(0.03)
    assert rows[RISK].shapley == pytest.approx(-0.04)
    assert credit_table([episode], DECISION, FREE).total == pytest.approx(0.04)
    assert DECISION_NET not in by_name(credit_table([made], DECISION, FREE))


def test_money_is_the_mean_of_the_pairs() -> None:
    one = two(0, (10.0, 10.0), 0.1)
    other = two(0, (10.0, 10.0), 0.0, pair="ETH/USDT")
    assert credit_table([one, other], DECISION, FREE).total == pytest.approx(0.05)


def test_the_move_until_the_next_decision_counts_not_the_whole_horizon() -> None:
    first, second = two(0, (10.0, 10.0), 0.5), two(1, (0.0, 0.0), 0.0)
    first = replace(first, view=replace(first.view, close=100.0))
    near = replace(second, view=replace(second.view, close=101.0))
    assert credit_table([first, near], DECISION, FREE).total == pytest.approx(0.01)
    # Too far away to have held until then: the horizon's own outcome counts.
    late = two(9, (0.0, 0.0), 0.0)
    late = replace(late, view=replace(late.view, close=101.0))
    assert credit_table([first, late], DECISION, FREE).total == pytest.approx(0.5)


def test_a_decision_whose_move_is_unknown_does_not_count() -> None:
    known, unknown = two(0, (10.0, 10.0), 0.1), two(1, (10.0, 10.0), None)
    assert credit_table([known, unknown], DECISION, FREE).decisions == 1
    nothing = credit_table([unknown], DECISION, FREE)
    assert nothing.rows == ()
    assert nothing.absent_reason == "No decision has a known outcome yet."


def test_too_many_agents_leave_a_reason_and_no_figures() -> None:
    names = tuple(f"a{n}" for n in range(15))
    table = credit_table([two(0, (1.0,) * 15, 0.1, names=names)], DECISION, FREE)
    assert table.rows == ()
    assert table.absent_reason is not None
    assert "2^15" in table.absent_reason


def test_rows_add_up_to_the_total_over_a_long_run_and_in_every_regime() -> None:
    episodes = make_history(days=30)
    table = credit_table(episodes, DECISION, COSTS)
    assert table.total == pytest.approx(sum(row.shapley for row in table.rows))
    assert RISK in by_name(table)
    for row in table.rows:
        assert sum(row.by_regime.values()) == pytest.approx(row.shapley)
        assert sum(row.left_out_by_regime.values()) == pytest.approx(row.leave_one_out)
    assert credit_table(tuple(reversed(episodes)), DECISION, COSTS) == table


def test_the_parts_of_one_decision_by_hand() -> None:
    episode = make_episode(depths=(8.0, -4.0, None), weights=(0.75, 0.25, 0.0), agents=("a", "b", "c"))
    episode = replace(episode, decision=replace(episode.decision, depth=6.0, shift=1.0))
    a, b, net = parts_of(episode)
    assert (a.name, a.depth, a.weight, a.contribution, a.without) == ("a", 8.0, 0.75, 6.0, -4.0)
    assert (b.name, b.contribution, b.without) == ("b", -1.0, 8.0)
    assert (net.name, net.contribution, net.without) == (DECISION_NET, 1.0, 5.0)
    alone = make_episode(depths=(8.0,), agents=("a",))
    assert [p.without for p in parts_of(alone)] == [0.0]
