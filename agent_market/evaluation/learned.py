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
from agent_market.decision.trainers.base import DecisionDataset, Policy, Trainer, dataset_of
from agent_market.decision.trainers.gate import PriorPolicy, gated
from agent_market.decision.trainers.pathwise import PathwiseSettings, PathwiseTrainer
from agent_market.decision.trainers.policies import TwoStagePolicy, WeightPolicy
from agent_market.decision.weight_net import AgentWeightNet
from agent_market.evaluation.context import PRIOR, TWO_STAGE, WEIGHT_NET, EvaluatedStrategy, EvaluationContext
from agent_market.rl.reinforcement import ReinforcementSettings, ReinforcementTrainer
from agent_market.stats.validation import Fold, later_spans
from agent_market.utils.arrays import Floats

_ALPHAS = tuple(10.0**power for power in range(-1, 6))


# --- stacking ----------------------------------------------------------------------------------------


def stacking_contenders() -> tuple[EvaluatedStrategy, ...]:
    """Regressions of the normalised return on what everyone says, their confidences and the market state."""
    return (
        EvaluatedStrategy("ridge stacking", "stacking", lambda arena, _: _stacked(arena, _ridge)),
        EvaluatedStrategy(
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


def _stacked(arena: EvaluationContext, make: Callable[[], Any]) -> Floats:
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


def net_contenders() -> tuple[EvaluatedStrategy, ...]:
    """The two nets, ungated and gated, from their prior and from scratch, and by PPO."""
    return (
        EvaluatedStrategy("direct gradient, no prior", "net", _by_fold(_scratch), True),
        EvaluatedStrategy(WEIGHT_NET, "net", _by_fold(_weight_net), True),
        EvaluatedStrategy(
            f"{WEIGHT_NET} on hedge + cash", "net", _by_fold(_weight_net_on_hedge, "hedge"), True
        ),
        EvaluatedStrategy(f"{WEIGHT_NET}, gated", "net", _by_fold(_weight_net_gated), True),
        EvaluatedStrategy(TWO_STAGE, "net", _by_fold(_two_stage), True),
        EvaluatedStrategy(f"{TWO_STAGE}, gated", "net", _by_fold(_two_stage_gated), True),
        EvaluatedStrategy(f"{TWO_STAGE}, buy/sell/hold", "net", _by_fold(_three_actions), True),
        EvaluatedStrategy("PPO weight net, no prior", "net", _by_fold(_ppo), True),
    )


def whole_problem(arena: EvaluationContext, prior: str = PRIOR) -> DecisionDataset:
    """The panel with cash and a prior for nets, as trainers want it."""
    found: DecisionDataset = arena.once(
        ("problem", prior),
        lambda: dataset_of(
            arena.seated(cash=True), arena.weights(prior, cash=True), arena.cost, arena.settings
        ),
    )
    return found


Fit = Callable[[EvaluationContext, Fold, int], Policy]


def _by_fold(fit: Fit, prior: str = PRIOR) -> Callable[[EvaluationContext, int], Floats]:
    def positions(arena: EvaluationContext, seed: int) -> Floats:
        problem = whole_problem(arena, prior)
        path = np.zeros(problem.gain.shape)
        for fold in arena.folds:
            path[fold.test] = fit(arena, fold, seed).positions(problem.rows(fold.test))
        return path

    return positions


def _spans(
    arena: EvaluationContext, fold: Fold, prior: str = PRIOR
) -> tuple[DecisionDataset, DecisionDataset, DecisionDataset]:
    """What is fitted on, stopped by and gated on: consecutive, purged, all known before the test."""
    panel = arena.panel
    fit, stop, gate = later_spans(fold.train, panel.times, panel.known_at.max(axis=1))
    problem = whole_problem(arena, prior)
    return problem.rows(fit), problem.rows(stop), problem.rows(gate)


def _fitted(
    arena: EvaluationContext,
    fold: Fold,
    seed: int,
    name: str,
    trainer: Callable[[], Trainer],
    prior: str = PRIOR,
) -> Policy:
    def make() -> Policy:
        fit, stop, _ = _spans(arena, fold, prior)
        return trainer().fit(fit, stop, seed)

    policy: Policy = arena.once((name, int(fold.test[0]), seed), make)
    return policy


def _pathwise(arena: EvaluationContext) -> PathwiseSettings:
    standard = PathwiseSettings()
    return standard.model_copy(update={"epochs": max(1, round(standard.epochs * arena.effort))})


def _net(arena: EvaluationContext) -> AgentWeightNet:
    panel = arena.seated(cash=True)
    return AgentWeightNet(panel.experts, panel.state.shape[-1])


def _scratch(arena: EvaluationContext, fold: Fold, seed: int) -> Policy:
    return _fitted(
        arena,
        fold,
        seed,
        "scratch",
        lambda: PathwiseTrainer(lambda: WeightPolicy(_net(arena), use_prior=False), _pathwise(arena)),
    )


def _residual(prior: str) -> Fit:
    """The net that begins as its prior and learns what to add."""

    def fit(arena: EvaluationContext, fold: Fold, seed: int) -> Policy:
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


def _gated(arena: EvaluationContext, fold: Fold, seed: int, name: str, candidate: Policy) -> Policy:
    def make() -> Policy:
        chosen, verdict = gated(candidate, PriorPolicy(), _spans(arena, fold)[2])
        arena.gates.setdefault(name, []).append(verdict.promoted)
        return chosen

    policy: Policy = arena.once((name, "gate", int(fold.test[0]), seed), make)
    return policy


def _weight_net_gated(arena: EvaluationContext, fold: Fold, seed: int) -> Policy:
    return _gated(arena, fold, seed, f"{WEIGHT_NET}, gated", _weight_net(arena, fold, seed))


def _second_stage(head: Head) -> Fit:
    def fit(arena: EvaluationContext, fold: Fold, seed: int) -> Policy:
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


def _two_stage_gated(arena: EvaluationContext, fold: Fold, seed: int) -> Policy:
    return _gated(arena, fold, seed, f"{TWO_STAGE}, gated", _two_stage(arena, fold, seed))


def _ppo(arena: EvaluationContext, fold: Fold, seed: int) -> Policy:
    # 100,000 decisions are some 390 steps of the optimiser, more than the pathwise trainer takes at most.
    settings = ReinforcementSettings(
        output="weights",
        steps=max(4096, round(100_000 * arena.effort)),
        accounts=128,
        minibatch=1024,
    )
    return _fitted(arena, fold, seed, "ppo", lambda: ReinforcementTrainer(settings))
