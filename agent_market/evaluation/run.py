"""The whole plan: real candles, worlds with nothing to find, and the holdout, to a report."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from freqtrade.exchange import timeframe_to_seconds

from agent_market.decision.credit import Credit, credits
from agent_market.decision.panel import DecisionPanel
from agent_market.evaluation.context import CASH, HEDGE, HOLD, EvaluationContext
from agent_market.evaluation.holdout import enter_reading, open_holdout, refuse_read, sealed_from
from agent_market.evaluation.placebo import Placebo, placebos
from agent_market.evaluation.plan import DAY_S, SCENARIOS, Plan, Scenario
from agent_market.evaluation.run_folds import Played, Tell, folds_of, panel_of, play, quietly, spread
from agent_market.evaluation.statistics import Doubt, Row, Series, doubt, rows
from agent_market.evaluation.strategies import contenders
from agent_market.evaluation.textbook import Row as TextbookRow
from agent_market.evaluation.textbook import price_grid, textbook_rows
from agent_market.features.regime import REGIMES
from agent_market.stats.validation import Fold, walk_forward
from agent_market.store.database import Database
from agent_market.store.trials import record_trials, trial_of, trials_of
from agent_market.utils.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario: the rows, the doubt about the best, and the path of each contender at matched volatility.

    `times` (T,) moments in seconds; `paths` name -> (T,) sum of returns.
    """

    scenario: Scenario
    rows: tuple[Row, ...]
    doubt: Doubt
    times: Ints
    paths: Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation found. `holdout` is there only where it was opened.

    `textbook` has the textbook rows by scenario name, on the candles, span, costs and fills of its rows.
    """

    plan: Plan
    first: datetime
    last: datetime
    decisions: int
    scenarios: tuple[Result, ...]
    credits: tuple[Credit, ...]
    placebos: tuple[Placebo, ...]
    holdout: tuple[Result, ...]
    textbook: Mapping[str, tuple[TextbookRow, ...]]


def evaluate(
    candles: Mapping[str, pd.DataFrame],
    plan: Plan,
    database: Database,
    *,
    holdout: bool = False,
    jobs: int = 1,
    tell: Tell = quietly,
) -> Report:
    """Run the whole plan. All trials go into the ledger of `database` before they are judged.

    :param candles: by pair, as `world.read_candles` gives them.
    :param holdout: read the sealed span too; it can be done once.
    :param jobs: processes.
    :param tell: takes a line for people whenever a part is done.
    :raises DataError: too few candles for the plan, or a holdout that was read before.
    """
    panels = {delay: panel_of(candles, plan, delay) for delay in sorted({s.delay for s in SCENARIOS})}
    seal = sealed_from(panels[0], plan.holdout_days)
    seen = {
        delay: panel.rows(slice(int(np.searchsorted(panel.times, seal)))) for delay, panel in panels.items()
    }
    folds = {delay: folds_of(panel, plan) for delay, panel in seen.items()}
    sealed = _sealed_folds(panels, seal, plan) if holdout else {}
    if sealed:
        refuse_read(database, panels[0], sealed[0][0].test)
    enter_reading(database, seen[0], plan.key)
    results = _play(seen, folds, plan, database, _Work("evaluation", jobs, tell))
    first = seen[0].times[folds[0][0].test[0]]
    return Report(
        plan=plan,
        first=_utc(int(first)),
        last=_utc(int(seen[0].times[-1])),
        decisions=sum(len(fold.test) for fold in folds[0]) * len(seen[0].pairs),
        scenarios=results,
        credits=_credits(EvaluationContext(seen[0], folds[0], SCENARIOS[1].cost)),
        placebos=placebos(candles, seen[0], plan, jobs, tell),
        holdout=_holdout(panels, sealed, plan, database, jobs, tell) if sealed else (),
        textbook=_textbook(candles, plan, int(first), int(seen[0].times[-1])),
    )


def _textbook(
    candles: Mapping[str, pd.DataFrame], plan: Plan, first: int, last: int
) -> dict[str, tuple[TextbookRow, ...]]:
    """The textbook rows of each scenario, for the decisions from `first` to `last` (seconds).

    A return ends at the fill after the next decision, so the span goes one period beyond the last one.
    Candles name no funding: the carry row is left out.
    """
    grid = price_grid(candles, plan.timeframe)
    end = last + plan.every * grid.timeframe_s
    begin, until = (pd.Timestamp(moment, unit="s", tz="UTC") for moment in (first, end))
    return {s.name: textbook_rows(grid, begin, until, s.cost, plan.every, s.delay) for s in SCENARIOS}


def _sealed_folds(panels: Mapping[int, DecisionPanel], seal: int, plan: Plan) -> dict[int, tuple[Fold, ...]]:
    folds = {}
    for delay, panel in panels.items():
        known = panel.known_at.max(axis=1)
        step = plan.holdout_days * DAY_S + DAY_S
        folds[delay] = tuple(walk_forward(panel.times, known, seal, step, plan.embargo_days * DAY_S))
    return folds


def _holdout(
    panels: Mapping[int, DecisionPanel],
    folds: Mapping[int, tuple[Fold, ...]],
    plan: Plan,
    database: Database,
    jobs: int,
    tell: Tell,
) -> tuple[Result, ...]:
    open_holdout(database, panels[0], folds[0][0].test, plan.key)
    return _play(panels, folds, plan, database, _Work("holdout-results", jobs, tell))


@dataclass(frozen=True, slots=True)
class _Work:
    """What is done, by how many processes, and who is told."""

    study: str
    jobs: int
    tell: Tell


def _play(
    panels: Mapping[int, DecisionPanel],
    folds: Mapping[int, tuple[Fold, ...]],
    plan: Plan,
    database: Database,
    work: _Work,
) -> tuple[Result, ...]:
    """Every contender in every scenario; one task a scenario and seed."""
    tasks = [(scenario, seed) for scenario in SCENARIOS for seed in range(plan.seeds)]
    played = spread(
        play,
        [
            (EvaluationContext(panels[s.delay], folds[s.delay], s.cost, effort=plan.effort), seed, seed == 0)
            for s, seed in tasks
        ],
        [f"{work.study}, {s.name}, seed {seed}" for s, seed in tasks],
        work.jobs,
        work.tell,
    )
    results = []
    for scenario in SCENARIOS:
        mine = [one for (s, _), one in zip(tasks, played, strict=True) if s is scenario]
        panel, tests = panels[scenario.delay], np.concatenate([f.test for f in folds[scenario.delay]])
        results.append(_result(scenario, mine, panel.rows(tests), plan, database, work.study))
    return tuple(results)


def _result(
    scenario: Scenario,
    played: Sequence[Played],
    panel: DecisionPanel,
    plan: Plan,
    database: Database,
    study: str,
) -> Result:
    order = contenders()
    series = {c.name: _series([one.made[c.name] for one in played if c.name in one.made]) for c in order}
    passed = {name: _share([b for one in played for b in one.gates[name]]) for name in played[0].gates}
    period_s = plan.every * timeframe_to_seconds(plan.timeframe)
    trials = _enter(database, f"{study}/{scenario.name}", series, panel, plan)
    doubts = doubt(series, period_s, trials, (HEDGE, CASH, HOLD))
    kinds = {c.name: c.kind for c in order}
    return Result(
        scenario=scenario,
        rows=rows(series, kinds, panel.times, period_s, doubts.effective, (HEDGE, HOLD), passed),
        doubt=doubts,
        times=panel.times,
        paths={name: np.cumsum(one.matched(period_s).mean(axis=0)) for name, one in series.items()},
    )


def _series(parts: Sequence[tuple[Floats, Floats]]) -> Series:
    return Series(np.stack([r for r, _ in parts]), np.stack([t for _, t in parts]))


def _share(passed: Sequence[bool]) -> float:
    return float(np.mean(passed)) if len(passed) else 0.0


def _enter(
    database: Database, study: str, series: Mapping[str, Series], panel: DecisionPanel, plan: Plan
) -> int:
    """Enter every contender in the trial ledger; how many have ever been tried on this span."""
    occasions = [f"{'+'.join(panel.pairs)}@{time}" for time in panel.times.tolist()]
    first, last = _utc(int(panel.times[0])), _utc(int(panel.times[-1]))
    record_trials(
        database,
        [
            trial_of(study, _address(name, plan, one), occasions, first, last, one.returns.mean(axis=0))
            for name, one in series.items()
        ],
    )
    return len({trial.candidate for trial in trials_of(database, study, first, last)})


def _address(name: str, plan: Plan, made: Series) -> str:
    """By what it made as well: a contender whose code was changed is another one under the old name."""
    digest = hashlib.sha256(f"{name}\n{plan.key}\n".encode())
    digest.update(made.returns.astype("<f4").tobytes())
    return digest.hexdigest()


def _credits(arena: EvaluationContext) -> tuple[Credit, ...]:
    """Worth of each agent under Hedge, on the test spans."""
    test = arena.test
    return credits(arena.panel.rows(test), arena.weights("hedge")[test], arena.cost, REGIMES)


def _utc(moment: int) -> datetime:
    return datetime.fromtimestamp(moment, UTC)
