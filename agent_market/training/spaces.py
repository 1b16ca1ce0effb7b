"""Search space of each model's parameters, with ranges suited to returns, which are mostly noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from agent_market.errors import ConfigError

if TYPE_CHECKING:
    from optuna import Trial

Draw = Callable[["Trial"], dict[str, Any]]


def _trees(trial: Trial) -> dict[str, Any]:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.005, 0.2, log=True),
        "trees": trial.suggest_int("trees", 50, 600, step=50),
        "depth": trial.suggest_int("depth", 2, 8),
        "rows_a_leaf": trial.suggest_int("rows_a_leaf", 10, 200, log=True),
        "l2": trial.suggest_float("l2", 0.1, 30.0, log=True),
        "column_share": trial.suggest_float("column_share", 0.4, 1.0),
    }


def _net(trial: Trial) -> dict[str, Any]:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        "hidden": trial.suggest_categorical("hidden", [16, 32, 64, 128]),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "weight_decay": trial.suggest_float("weight_decay", 1e-4, 1.0, log=True),
        "noise": trial.suggest_float("noise", 0.0, 0.2),
    }


def _sequence(trial: Trial) -> dict[str, Any]:
    return {**_net(trial), "window": trial.suggest_categorical("window", [8, 16, 24, 48])}


def _policy(trial: Trial) -> dict[str, Any]:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        "hidden": trial.suggest_categorical("hidden", [16, 32, 64, 128]),
        "episode": trial.suggest_categorical("episode", [32, 64, 128]),
    }


def _stacking(trial: Trial) -> dict[str, Any]:
    return {"folds": trial.suggest_int("folds", 2, 6)}


def _blending(trial: Trial) -> dict[str, Any]:
    return {"share": trial.suggest_float("share", 0.1, 0.5)}


SPACES: Mapping[str, Draw] = {
    "lightgbm": _trees,
    "xgboost": _trees,
    "catboost": _trees,
    "mlp": _net,
    "lstm": _sequence,
    "transformer": _sequence,
    "policy": _policy,
    "stacking": _stacking,
    "blending": _blending,
}


def drawn(model: str, trial: Trial) -> dict[str, Any]:
    """Draw the parameters of one trial.

    :raises ConfigError: the model has no search space.
    """
    if model not in SPACES:
        raise ConfigError(f"model {model} has no search space; use tuning.method = 'grid', or 'none'")
    return SPACES[model](trial)
