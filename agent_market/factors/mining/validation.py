"""The later span: what the pool is worth where it was not searched, after every trial is counted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agent_market.factors.mining.files import VerdictEntry
from agent_market.factors.mining.scoring_context import Bench
from agent_market.factors.panel import Array
from agent_market.factors.tree import Tree
from agent_market.stats.bootstrap import paired_mean_test
from agent_market.stats.deflation import counted_trials, deflated_sharpe, sidak
from agent_market.stats.promotion import Verdict, judge
from agent_market.store.database import Database
from agent_market.store.trials import sample_of, trials_of


def counted(database: Database, study: str, search: Bench, later: Bench) -> tuple[int, float]:
    """How many candidates were ever tried in this study on overlapping spans, and their effective number.

    Correlated trials on this very sample count by correlation, all others as one each.
    """
    rows = trials_of(database, study, search.span.start, later.span.end)
    candidates = max(len({trial.candidate for trial in rows}), 1)
    sample = sample_of(search.occasions)
    series = [t.results for t in rows if t.sample == sample and t.results is not None]
    table = np.column_stack(series) if series else np.empty((0, 0))
    return candidates, counted_trials(table, candidates)


def proven(lead: Array, trials: float, level: float, seed: int) -> Verdict:
    """`stats.promotion.judge` on the lead in joint IC, without its many resamples where they are idle.

    Deflation only raises a p-value: where 2,000 resamples give one above twice the level, no finer ones are
    drawn.
    """
    quick = paired_mean_test(lead, seed=seed)
    if quick.mean > 0 and quick.p_value <= 2 * level:
        return judge(lead, trials, level=level, seed=seed)
    return Verdict(
        promoted=False,
        test=quick,
        trials=trials,
        level=level,
        deflated_p=sidak(quick.p_value, trials),
        deflated_sharpe=deflated_sharpe(lead, trials),
    )


def lead_of(
    later: Bench, pool: Sequence[Tree], weights: Array, held: Sequence[Tree], held_weights: Array | None
) -> Array:
    """IC of the new pool less that of the one in force, at each time of the later span, (times,)."""
    series = later.joint_series(pool, weights)
    if not held or held_weights is None:
        return series
    return series - later.joint_series(held, held_weights)


def entry_of(verdict: Verdict) -> VerdictEntry:
    """The verdict as the file has it."""
    test = verdict.test
    return VerdictEntry(
        promoted=verdict.promoted,
        lead=test.mean,
        low=test.low,
        high=test.high,
        p_value=test.p_value,
        deflated_p=verdict.deflated_p,
        deflated_sharpe=verdict.deflated_sharpe,
        effective_trials=verdict.trials,
        level=verdict.level,
        observations=test.observations,
        reason=verdict.reason.replace(" a decision", " a period"),
    )
