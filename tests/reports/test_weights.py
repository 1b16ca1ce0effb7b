"""Weights by regime and week, worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from agent_market.records import Episode
from agent_market.reports.weights import weight_table
from tests.helpers.sample_episodes import make_episode, make_history

MONDAY = datetime(2024, 3, 4, tzinfo=UTC)


def made(hours: int, conservative: float, regime: str = "chop-calm", quiet: bool = False) -> Episode:
    """A decision some hours after a Monday; all but the conservative agent's weight is the quant's."""
    return make_episode(
        asof=MONDAY + timedelta(hours=hours),
        depths=(None if quiet else 1.0, None if quiet else 2.0),
        weights=(conservative, 1.0 - conservative),
        regime=regime,
        agents=("conservative", "quant"),
    )


def test_a_row_is_the_mean_of_its_week_and_weeks_begin_on_monday_in_utc() -> None:
    table = weight_table([made(0, 0.2), made(7 * 24 - 1, 0.4), made(7 * 24, 0.9)])
    assert [(r.week, r.decisions) for r in table.rows] == [(date(2024, 3, 4), 2), (date(2024, 3, 11), 1)]
    assert table.rows[0].weights == pytest.approx({"conservative": 0.3, "quant": 0.7})
    assert table.rows[1].weights == pytest.approx({"conservative": 0.9, "quant": 0.1})


def test_an_abstention_counts_as_weight_zero() -> None:
    (row,) = weight_table([made(0, 0.4), made(1, 0.4, quiet=True)]).rows
    assert row.weights == pytest.approx({"conservative": 0.2, "quant": 0.3})


def test_changes_are_told_in_words_largest_first_each_regime_on_its_own() -> None:
    chop = [made(n, 0.30) for n in range(3)] + [made(24 * 28 + n, 0.45) for n in range(3)]
    wild = [made(n, 0.8, "down-wild") for n in range(3)] + [
        made(24 * 7 + n, 0.5, "down-wild") for n in range(3)
    ]
    changes = weight_table([*chop, *wild]).changes
    assert [c.words for c in changes] == [
        "In down-wild the conservative agent fell from 80% to 50% (weeks of 2024-03-04 and 2024-03-11).",
        "In down-wild the quant agent rose from 20% to 50% (weeks of 2024-03-04 and 2024-03-11).",
        "In chop-calm the conservative agent rose from 30% to 45% (weeks of 2024-03-04 and 2024-04-01).",
        "In chop-calm the quant agent fell from 70% to 55% (weeks of 2024-03-04 and 2024-04-01).",
    ]


def test_a_week_of_few_decisions_is_shown_but_tells_no_change() -> None:
    few = [made(n, 0.3) for n in range(3)] + [made(24 * 7 + n, 0.9) for n in range(2)]
    table = weight_table(few)
    assert len(table.rows) == 2
    assert table.changes == ()
    small = [made(n, 0.30) for n in range(3)] + [made(24 * 7 + n, 0.34) for n in range(3)]
    assert weight_table(small).changes == ()


def test_order_and_split_of_the_episodes_do_not_matter_and_nothing_is_lost() -> None:
    episodes = make_history(days=30)
    table = weight_table(episodes)
    assert weight_table(tuple(reversed(episodes))) == table
    assert sum(row.decisions for row in table.rows) == len(episodes)
    assert all(sum(row.weights.values()) == pytest.approx(1.0) for row in table.rows)
    assert weight_table(()).rows == ()
