"""Contenders through worlds and folds to returns, and returns to a report."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from freqtrade.exchange import timeframe_to_seconds
from joblib import Parallel, delayed

from agent_market.decision.credit import Credit, credits
from agent_market.decision.panel import Floats, Panel, money, turnover
from agent_market.learning.evaluation.arena import CASH, HEDGE, Arena, Contender
from agent_market.learning.evaluation.contenders import contenders
from agent_market.learning.evaluation.holdout import open_holdout, sealed_from
from agent_market.learning.evaluation.placebo import block_shuffled, sign_shuffled, synthetic_candles
from agent_market.learning.evaluation.plan import DAY_S, SCENARIOS, Plan, Scenario
from agent_market.learning.evaluation.statistics import (
    VOLATILITY,
    Doubt,
    Row,
    Series,
    doubt,
    matched,
    rows,
    yearly,
)
from agent_market.learning.evaluation.world import Grid, build_panel
from agent_market.learning.validation import Fold, Ints, superior, walk_forward
from agent_market.perception.regime import REGIMES
from agent_market.store.database import Database
from agent_market.store.trials import record_trials, trial_of, trials_of


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
class Placebo:
    """One draw of a world without anything to find, at no cost.

    `found` of `tried` contenders (cash not among them) were above it with p <= 0.05; `best` is the highest
    Sharpe ratio a year; `spa` Hansen's p-value of "nothing beats cash".
    """

    world: str
    draw: int
    found: int
    tried: int
    best: float
    spa: float


@dataclass(frozen=True, slots=True)
class Report:
    """What an evaluation found. `holdout` is there only where it was opened."""

    plan: Plan
    first: datetime
    last: datetime
    decisions: int
    scenarios: tuple[Result, ...]
    credits: tuple[Credit, ...]
    placebos: tuple[Placebo, ...]
    holdout: tuple[Result, ...]


def evaluate(
    candles: Mapping[str, pd.DataFrame],
    plan: Plan,
    database: Database,
    *,
    holdout: bool = False,
    jobs: int = 1,
) -> Report:
    """Run the whole plan. All trials go into the ledger of `database` before they are judged.

    :param candles: by pair, as `world.read_candles` gives them.
    :param holdout: read the sealed span too; it can be done once.
    :param jobs: processes.
    :raises DataError: too few candles for the plan, or a holdout that was read before.
    """
    panels = {delay: _panel(candles, plan, delay) for delay in sorted({s.delay for s in SCENARIOS})}
    seal = sealed_from(panels[0], plan.holdout_days)
    seen = {
        delay: panel.rows(slice(int(np.searchsorted(panel.times, seal)))) for delay, panel in panels.items()
    }
    folds = {delay: _folds(panel, plan) for delay, panel in seen.items()}
    results = _play(seen, folds, plan, database, jobs, "evaluation")
    first = seen[0].times[folds[0][0].test[0]]
    return Report(
        plan=plan,
        first=_utc(int(first)),
        last=_utc(int(seen[0].times[-1])),
        decisions=sum(len(fold.test) for fold in folds[0]) * len(seen[0].pairs),
        scenarios=results,
        credits=_credits(Arena(seen[0], folds[0], SCENARIOS[1].cost)),
        placebos=_placebos(candles, seen[0], plan, jobs),
        holdout=_holdout(panels, seal, plan, database, jobs) if holdout else (),
    )


def _panel(candles: Mapping[str, pd.DataFrame], plan: Plan, delay: int) -> Panel:
    return build_panel(candles, Grid(timeframe_to_seconds(plan.timeframe), plan.every, delay))


def _folds(panel: Panel, plan: Plan) -> tuple[Fold, ...]:
    begin = int(panel.times[0]) + plan.first_train_days * DAY_S
    known = panel.known_at.max(axis=1)
    return tuple(walk_forward(panel.times, known, begin, plan.step_days * DAY_S, plan.embargo_days * DAY_S))


def _holdout(
    panels: Mapping[int, Panel], seal: int, plan: Plan, database: Database, jobs: int
) -> tuple[Result, ...]:
    folds = {}
    for delay, panel in panels.items():
        known = panel.known_at.max(axis=1)
        step = plan.holdout_days * DAY_S + DAY_S
        folds[delay] = tuple(walk_forward(panel.times, known, seal, step, plan.embargo_days * DAY_S))
    open_holdout(database, panels[0], folds[0][0].test, plan.key)
    return _play(panels, folds, plan, database, jobs, "holdout-results")


def _play(
    panels: Mapping[int, Panel],
    folds: Mapping[int, tuple[Fold, ...]],
    plan: Plan,
    database: Database,
    jobs: int,
    study: str,
) -> tuple[Result, ...]:
    """Every contender in every scenario; one task a scenario and seed."""
    tasks = [(scenario, seed) for scenario in SCENARIOS for seed in range(plan.seeds)]
    played = Parallel(n_jobs=jobs)(
        delayed(play)(
            Arena(panels[s.delay], folds[s.delay], s.cost, effort=plan.effort), seed, unseeded=seed == 0
        )
        for s, seed in tasks
    )
    results = []
    for scenario in SCENARIOS:
        mine = [one for (s, _), one in zip(tasks, played, strict=True) if s is scenario]
        panel, tests = panels[scenario.delay], np.concatenate([f.test for f in folds[scenario.delay]])
        results.append(_result(scenario, mine, panel.rows(tests), plan, database, study))
    return tuple(results)


@dataclass(frozen=True, slots=True)
class Played:
    """What contenders made with one seed: returns and turnover (T,) of the capital, and what gates said."""

    made: Mapping[str, tuple[Floats, Floats]]
    gates: Mapping[str, Sequence[bool]]


def play(arena: Arena, seed: int, unseeded: bool) -> Played:
    """Every contender that the seed changes, and the others too if `unseeded`."""
    chosen = [c for c in contenders() if c.seeded or unseeded]
    made = {c.name: _made(arena, c, seed) for c in chosen}
    return Played(made, dict(arena.gates))


def _made(arena: Arena, contender: Contender, seed: int) -> tuple[Floats, Floats]:
    position = contender.positions(arena, seed)[arena.test]
    returns = money(arena.panel.rows(arena.test), position, arena.cost)
    return returns.mean(axis=1), turnover(position).mean(axis=1)


def _result(
    scenario: Scenario, played: Sequence[Played], panel: Panel, plan: Plan, database: Database, study: str
) -> Result:
    order = contenders()
    series = {c.name: _series([one.made[c.name] for one in played if c.name in one.made]) for c in order}
    passed = {name: _share([b for one in played for b in one.gates[name]]) for name in played[0].gates}
    period_s = plan.every * timeframe_to_seconds(plan.timeframe)
    trials = _enter(database, f"{study}/{scenario.name}", series, panel, plan)
    doubts = doubt(series, period_s, trials, HEDGE, CASH)
    kinds = {c.name: c.kind for c in order}
    return Result(
        scenario=scenario,
        rows=rows(series, kinds, panel.times, period_s, doubts.effective, HEDGE, passed),
        doubt=doubts,
        times=panel.times,
        paths={name: np.cumsum(matched(one.mean, period_s)) for name, one in series.items()},
    )


def _series(parts: Sequence[tuple[Floats, Floats]]) -> Series:
    return Series(np.stack([r for r, _ in parts]), np.stack([t for _, t in parts]))


def _share(passed: Sequence[bool]) -> float:
    return float(np.mean(passed)) if len(passed) else 0.0


def _enter(database: Database, study: str, series: Mapping[str, Series], panel: Panel, plan: Plan) -> int:
    """Enter every contender in the trial ledger; how many have ever been tried on this span."""
    occasions = [f"{'+'.join(panel.pairs)}@{time}" for time in panel.times.tolist()]
    first, last = _utc(int(panel.times[0])), _utc(int(panel.times[-1]))
    record_trials(
        database,
        [
            trial_of(study, _address(name, plan), occasions, first, last, one.mean)
            for name, one in series.items()
        ],
    )
    return len({trial.candidate for trial in trials_of(database, study, first, last)})


def _address(name: str, plan: Plan) -> str:
    return hashlib.sha256(f"{name}\n{plan.key}".encode()).hexdigest()


def _credits(arena: Arena) -> tuple[Credit, ...]:
    """Worth of each agent under Hedge, on the test spans."""
    test = arena.test
    return credits(arena.panel.rows(test), arena.weights("hedge")[test], arena.cost, REGIMES)


# --- placebo worlds --------------------------------------------------------------------------------------


def _placebos(
    candles: Mapping[str, pd.DataFrame], panel: Panel, plan: Plan, jobs: int
) -> tuple[Placebo, ...]:
    count = min(len(frame) for frame in candles.values())
    tasks = [(world, draw) for world in WORLDS for draw in range(plan.placebo_draws)]
    return tuple(
        Parallel(n_jobs=jobs)(delayed(placebo)(world, draw, panel, plan, count) for world, draw in tasks)
    )


WORLDS = ("signs shuffled", "blocks shuffled", "synthetic")


def placebo(world: str, draw: int, panel: Panel, plan: Plan, count: int) -> Placebo:
    """One draw of one world, every contender in it with one seed, at no cost."""
    if world == "signs shuffled":
        panel = sign_shuffled(panel, draw)
    elif world == "blocks shuffled":
        panel = block_shuffled(panel, draw)
    else:
        timeframe_s = timeframe_to_seconds(plan.timeframe)
        panel = _panel(synthetic_candles(plan.pairs, count, timeframe_s, draw), plan, 0)
    arena = Arena(panel, _folds(panel, plan), 0.0, effort=plan.effort)
    period_s = plan.every * timeframe_to_seconds(plan.timeframe)
    made = {name: matched(r, period_s) for name, (r, _) in play(arena, draw, unseeded=True).made.items()}
    flat = made.pop(CASH)
    rates = {name: yearly(one, period_s) for name, one in made.items()}
    return Placebo(
        world=world,
        draw=draw,
        found=sum(rate.p <= 0.05 for rate in rates.values()),
        tried=len(rates),
        best=max(rate.value for rate in rates.values()) / VOLATILITY,
        spa=superior(flat, made),
    )


def _utc(moment: int) -> datetime:
    return datetime.fromtimestamp(moment, UTC)
