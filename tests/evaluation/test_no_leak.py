"""Cut the future off, or let outcomes come late: nothing that was decided before moves, nets included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

from agent_market.evaluation.context import EvaluationContext
from agent_market.evaluation.panel_builder import Grid, build_panel
from agent_market.evaluation.placebo import synthetic_candles
from agent_market.evaluation.plan import DAY_S
from agent_market.evaluation.strategies import contenders
from agent_market.stats.validation import walk_forward

PAIRS = ("AAA/USDT", "BBB/USDT")
GRID = Grid(3600, 12)
FIRST_TEST = 50 * DAY_S


@pytest.fixture(scope="module")
def candles():
    return synthetic_candles(PAIRS, 2_200, 3600, seed=1)


@pytest.fixture(scope="module")
def panel(candles):
    return build_panel(candles, GRID)


def arena(panel) -> EvaluationContext:
    begin = int(panel.times[0]) + FIRST_TEST
    known = panel.known_at.max(axis=1)
    folds = tuple(walk_forward(panel.times, known, begin, 10 * DAY_S, DAY_S))
    return EvaluationContext(panel, folds, 0.001, effort=0.03)


@pytest.mark.slow
def test_candles_that_were_not_there_yet_move_no_position_of_anyone(candles, panel) -> None:
    """From candles through features, agents, weightings, regressions and nets to positions."""
    whole = arena(panel)
    cut = int(panel.times[whole.folds[1].test[8]])
    earlier = {
        pair: frame[frame["date"].astype("int64") + 3600 <= cut + 12 * 3600]
        for pair, frame in candles.items()
    }
    short = arena(build_panel(earlier, GRID))
    shared = np.intersect1d(whole.test, short.test)
    assert len(shared) >= len(whole.folds[0].test) + 7
    assert len(whole.test) > len(shared)
    for contender in contenders():
        before, after = (contender.positions(one, 0)[shared] for one in (whole, short))
        assert before == pytest.approx(after, abs=1e-6), contender.name


@pytest.mark.slow
def test_an_outcome_that_comes_late_teaches_nobody_before_it_is_there(panel) -> None:
    """Some training outcomes become known only in the first test span: until then they may be anything."""
    begin = int(panel.times[0]) + FIRST_TEST
    first = int(np.searchsorted(panel.times, begin))
    late = np.zeros(len(panel), dtype=bool)
    late[first - 30 : first : 3] = True
    due = int(panel.times[first + 12])
    known_at = np.where(late[:, None], due, panel.known_at)
    rng = np.random.default_rng(0)
    one = replace(panel, known_at=known_at)
    other = replace(
        one, outcome=np.where(late[:, None], rng.normal(0.0, 0.1, panel.outcome.shape), panel.outcome)
    )
    arenas = arena(one), arena(other)
    assert not np.isin(np.flatnonzero(late), arenas[0].folds[0].train).any()
    assert np.isin(np.flatnonzero(late), arenas[0].folds[1].train).all()
    for contender in contenders():
        before, after = (contender.positions(a, 0)[first : first + 12] for a in arenas)
        assert before == pytest.approx(after, abs=1e-6), contender.name
    # Once there, they do teach: a test that could not fail would prove nothing.
    hedge = next(c for c in contenders() if c.name == "hedge")
    later = [hedge.positions(a, 0)[first + 12 : first + 20] for a in arenas]
    assert np.abs(later[0] - later[1]).max() > 1e-6
