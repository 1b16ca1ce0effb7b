"""Contenders that are fitted: stacking by ridge regression and LightGBM, and the nets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from lightgbm import LGBMRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from agent_market.decision.decision_net import Head
from agent_market.decision.panel import Floats
from agent_market.decision.trainers.base import Policy, Problem, Trainer, problem_of
from agent_market.decision.trainers.gate import PriorPolicy, gated
from agent_market.decision.trainers.pathwise import PathwiseSettings, PathwiseTrainer
from agent_market.decision.trainers.policies import TwoStagePolicy, WeightPolicy
from agent_market.decision.trainers.reinforcement import ReinforcementSettings, ReinforcementTrainer
from agent_market.decision.weight_net import AgentWeightNet
from agent_market.learning.evaluation.arena import PRIOR, TWO_STAGE, WEIGHT_NET, Arena, Contender
from agent_market.learning.validation import Fold, later_spans

_ALPHAS = tuple(10.0**power for power in range(-1, 6))


# --- stacking ----------------------------------------------------------------------------------------


def stacking_contenders() -> tuple[Contender, ...]:
    """Regressions of the normalised return on what everyone says, their confidences and the market state."""
    return (
        Contender("ridge stacking", "stacking", lambda arena, _: _stacked(arena, _ridge)),
        Contender(
            "LightGBM stacking", "stacking", lambda arena, seed: _stacked(arena, lambda: _boosted(seed)), True
        ),
    )


def _ridge() -> Any:
    return make_pipeline(StandardScaler(), RidgeCV(_ALPHAS))


def _boosted(seed: int) -> Any:
    return LGBMRegressor(
        n_estimators=150,
        learning_rate=0.02,
        num_leaves=8,
        min_child_samples=200,
        subsample=0.7,
        subsample_freq=1,
        colsample_bytree=0.7,
        random_state=seed,
        deterministic=True,
        force_row_wise=True,
        n_jobs=1,
        verbose=-1,
    )


def _stacked(arena: Arena, make: Callable[[], Any]) -> Floats:
    """tanh(prediction / (2 s)), s the deviation of the predictions in training: the quant agent's depth."""
    panel = arena.panel
    depth = np.nan_to_num(panel.depth)
    seen = np.concatenate([depth, depth * panel.confidence, panel.awake, panel.state], axis=-1)
    wanted = np.clip(panel.outcome / panel.sigma, -8.0, 8.0)
    positions = np.zeros(panel.returns.shape)
    for fold in arena.folds:
        known = np.isfinite(wanted[fold.train])
        rows = seen[fold.train][known]
        model = make().fit(rows, wanted[fold.train][known])
        scale = float(model.predict(rows).std())
        if scale > 0.0:
            told = model.predict(seen[fold.test].reshape(-1, seen.shape[-1]))
            positions[fold.test] = np.tanh(told / (2.0 * scale)).reshape(-1, len(panel.pairs))
    return positions


# --- nets --------------------------------------------------------------------------------------------


def net_contenders() -> tuple[Contender, ...]:
    """The two nets, ungated and gated, from their prior and from scratch, and by PPO."""
    return (
        Contender("direct gradient, no prior", "net", _by_fold(_scratch), True),
        Contender(WEIGHT_NET, "net", _by_fold(_weight_net), True),
        Contender(f"{WEIGHT_NET} on hedge + cash", "net", _by_fold(_weight_net_on_hedge, "hedge"), True),
        Contender(f"{WEIGHT_NET}, gated", "net", _by_fold(_weight_net_gated), True),
        Contender(TWO_STAGE, "net", _by_fold(_two_stage), True),
        Contender(f"{TWO_STAGE}, gated", "net", _by_fold(_two_stage_gated), True),
        Contender(f"{TWO_STAGE}, buy/sell/hold", "net", _by_fold(_three_actions), True),
        Contender("PPO weight net, no prior", "net", _by_fold(_ppo), True),
    )


def whole_problem(arena: Arena, prior: str = PRIOR) -> Problem:
    """The panel with cash and a prior for nets, as trainers want it."""
    found: Problem = arena.once(
        ("problem", prior),
        lambda: problem_of(
            arena.seated(cash=True), arena.weights(prior, cash=True), arena.cost, arena.settings
        ),
    )
    return found


Fit = Callable[[Arena, Fold, int], Policy]


def _by_fold(fit: Fit, prior: str = PRIOR) -> Callable[[Arena, int], Floats]:
    def positions(arena: Arena, seed: int) -> Floats:
        problem = whole_problem(arena, prior)
        path = np.zeros(problem.gain.shape)
        for fold in arena.folds:
            path[fold.test] = fit(arena, fold, seed).positions(problem.rows(fold.test))
        return path

    return positions


def _spans(arena: Arena, fold: Fold, prior: str = PRIOR) -> tuple[Problem, Problem, Problem]:
    """What is fitted on, stopped by and gated on: consecutive, purged, all known before the test."""
    panel = arena.panel
    fit, stop, gate = later_spans(fold.train, panel.times, panel.known_at.max(axis=1))
    problem = whole_problem(arena, prior)
    return problem.rows(fit), problem.rows(stop), problem.rows(gate)


def _fitted(
    arena: Arena, fold: Fold, seed: int, name: str, trainer: Callable[[], Trainer], prior: str = PRIOR
) -> Policy:
    def make() -> Policy:
        fit, stop, _ = _spans(arena, fold, prior)
        return trainer().fit(fit, stop, seed)

    policy: Policy = arena.once((name, int(fold.test[0]), seed), make)
    return policy


def _pathwise(arena: Arena) -> PathwiseSettings:
    standard = PathwiseSettings()
    return standard.model_copy(update={"epochs": max(1, round(standard.epochs * arena.effort))})


def _net(arena: Arena) -> AgentWeightNet:
    panel = arena.seated(cash=True)
    return AgentWeightNet(panel.experts, panel.state.shape[-1])


def _scratch(arena: Arena, fold: Fold, seed: int) -> Policy:
    return _fitted(
        arena,
        fold,
        seed,
        "scratch",
        lambda: PathwiseTrainer(lambda: WeightPolicy(_net(arena), use_prior=False), _pathwise(arena)),
    )


def _residual(prior: str) -> Fit:
    """The net that begins as its prior and learns what to add."""

    def fit(arena: Arena, fold: Fold, seed: int) -> Policy:
        return _fitted(
            arena,
            fold,
            seed,
            f"{WEIGHT_NET} on {prior}",
            lambda: PathwiseTrainer(lambda: WeightPolicy(_net(arena)), _pathwise(arena)),
            prior,
        )

    return fit


_weight_net = _residual(PRIOR)
_weight_net_on_hedge = _residual("hedge")


def _gated(arena: Arena, fold: Fold, seed: int, name: str, candidate: Policy) -> Policy:
    def make() -> Policy:
        chosen, verdict = gated(candidate, PriorPolicy(), _spans(arena, fold)[2])
        arena.gates.setdefault(name, []).append(verdict.promoted)
        return chosen

    policy: Policy = arena.once((name, "gate", int(fold.test[0]), seed), make)
    return policy


def _weight_net_gated(arena: Arena, fold: Fold, seed: int) -> Policy:
    return _gated(arena, fold, seed, f"{WEIGHT_NET}, gated", _weight_net(arena, fold, seed))


def _second_stage(head: Head) -> Fit:
    def fit(arena: Arena, fold: Fold, seed: int) -> Policy:
        first = _weight_net_gated(arena, fold, seed)
        weights = first if isinstance(first, WeightPolicy) else None
        state = arena.panel.state.shape[-1]
        return _fitted(
            arena,
            fold,
            seed,
            f"{TWO_STAGE} {head}",
            lambda: PathwiseTrainer(lambda: TwoStagePolicy(weights, state, head), _pathwise(arena)),
        )

    return fit


_two_stage = _second_stage("target")
_three_actions = _second_stage("actions")


def _two_stage_gated(arena: Arena, fold: Fold, seed: int) -> Policy:
    return _gated(arena, fold, seed, f"{TWO_STAGE}, gated", _two_stage(arena, fold, seed))


def _ppo(arena: Arena, fold: Fold, seed: int) -> Policy:
    # 100,000 decisions are some 390 steps of the optimiser, more than the pathwise trainer takes at most.
    settings = ReinforcementSettings(
        output="weights",
        steps=max(4096, round(100_000 * arena.effort)),
        accounts=128,
        minibatch=1024,
    )
    return _fitted(arena, fold, seed, "ppo", lambda: ReinforcementTrainer(settings))
