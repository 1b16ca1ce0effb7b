"""Search parameters on training rows with purged walk-forward folds; every trial enters the ledger."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any

import numpy as np
import orjson

from agent_market.errors import TrainingFailed
from agent_market.stats.validation import Fold, walk_forward
from agent_market.store.database import Database
from agent_market.store.trials import record_trials, trial_of
from agent_market.training.callbacks import Callback
from agent_market.training.datasets.dataset import Dataset
from agent_market.training.metrics import measure, score
from agent_market.training.models.libraries import library
from agent_market.training.models.registry import make_model
from agent_market.training.scaling import Scaler
from agent_market.training.settings import TrainingSettings
from agent_market.training.spaces import drawn

logger = logging.getLogger(__name__)
_FIRST_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class ParameterSearch:
    """Result of a search: the best parameters, their mean score, and the number of trials (pruned too)."""

    params: Mapping[str, Any]
    value: float
    trials: int


def search(
    settings: TrainingSettings,
    train: Dataset,
    scaler: Scaler,
    database: Database,
    callbacks: Sequence[Callback],
    code: str,
) -> ParameterSearch:
    """Search parameters as `settings.tuning` says; resume an interrupted search.

    :param scaler: fits a feature pipeline on the training rows of each fold.
    :param code: fingerprint of settings and code. The study is named by it and by the digest of `train`, so
        another dataset or other code starts another search.
    :raises StoreError: a trial cannot be written to the ledger; nothing is chosen.
    """
    optuna: Any = library("optuna", "tuning")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tuning, label = settings.tuning, settings.label.name
    folds = _folds(settings, train)
    name = f"training/{settings.model}/{label}"

    def objective(trial: Any) -> float:
        given = (
            {key: trial.suggest_categorical(key, list(values)) for key, values in tuning.grid.items()}
            if tuning.method == "grid"
            else drawn(settings.model, trial)
        )
        params = {**settings.params, **given}
        scores: list[float] = []
        for number, fold in enumerate(folds):
            try:
                scores.append(_judged(settings, params, train, scaler, fold))
            except TrainingFailed as error:
                logger.warning("Trial %d with %s: %s", trial.number + 1, given, error)
                break
            trial.report(float(np.mean(scores)), number)
            if tuning.pruning and number + 1 < len(folds) and trial.should_prune():
                break
        if scores:
            _enter(database, name, params, train, folds[: len(scores)], scores)
        if len(scores) < len(folds):
            raise optuna.TrialPruned
        return float(np.mean(scores))

    def report(study: Any, trial: Any) -> None:
        for callback in callbacks:
            callback.trial(
                trial.number + 1, trial.params, trial.value if trial.state.name == "COMPLETE" else None
            )

    settings.folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=f"{name}/{code}/{train.digest()[:16]}",
        storage=tuning.storage or f"sqlite:///{settings.folder / 'tuning.sqlite'}",
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=max(tuning.trials // 4, 2)),
        load_if_exists=True,
    )
    # Interrupted trials (Ctrl-C, kill -9) are repeated.
    finished = [trial for trial in study.trials if trial.state.name in ("COMPLETE", "PRUNED")]
    samplers = (
        _grid(optuna, settings, finished) if tuning.method == "grid" else _draws(optuna, settings, finished)
    )
    for sampler in samplers:
        study.sampler = sampler
        study.optimize(objective, n_trials=1, callbacks=[report])
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    if not complete:
        raise TrainingFailed(
            f"none of {len(finished) + len(samplers)} trials finished; see the log, or widen the grid"
        )
    best = study.best_trial
    return ParameterSearch(dict(best.params), float(best.value), len(finished) + len(samplers))


def _folds(settings: TrainingSettings, train: Dataset) -> tuple[Fold, ...]:
    """Split the newer half of the training times into `folds` test spans, each trained on what was known
    before it.
    """
    known_at = train.known_at[settings.label.name].to_numpy()
    moments = np.unique(train.asof)
    first, last = int(moments[int(len(moments) * _FIRST_SHARE)]), int(moments[-1])
    step = max((last - first) // settings.tuning.folds + 1, 1)
    return tuple(walk_forward(train.asof, known_at, first, step))


def _judged(
    settings: TrainingSettings, params: Mapping[str, Any], train: Dataset, scaler: Scaler, fold: Fold
) -> float:
    label = settings.label.name
    learned, later = train.rows(fold.train), train.rows(fold.test)
    fitted = scaler.fitted(learned)
    samples, judged = fitted.apply(learned).samples(label), fitted.apply(later).samples(label)
    model = make_model(settings.model, seeded(settings, params), settings.chosen_task).fit(samples)
    return score(measure(model, samples, judged))


def seeded(settings: TrainingSettings, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters with the training's seed, for models that take a seed."""
    if settings.model in ("stacking", "blending"):
        return {"gap": settings.label.horizon, **params}
    return {"seed": settings.seed, **params}


def _enter(
    database: Database,
    study: str,
    params: Mapping[str, Any],
    train: Dataset,
    folds: Sequence[Fold],
    scores: list[float],
) -> None:
    packed = orjson.dumps(dict(params), default=str, option=orjson.OPT_SORT_KEYS)
    spans = [(int(train.asof[fold.test[0]]), int(train.asof[fold.test[-1]])) for fold in folds]
    pairs = ",".join(train.pairs)
    record_trials(
        database,
        [
            trial_of(
                study,
                hashlib.sha256(packed).hexdigest(),
                [f"{pairs}@{first}-{last}" for first, last in spans],
                datetime.fromtimestamp(spans[0][0], tz=UTC),
                datetime.fromtimestamp(spans[-1][1], tz=UTC),
                scores,
            )
        ],
    )


def _grid(optuna: Any, settings: TrainingSettings, finished: Sequence[Any]) -> list[Any]:
    """Return a sampler for each combination not tried yet."""
    grid, done = settings.tuning.grid, [trial.params for trial in finished]
    combinations = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    base = optuna.samplers.RandomSampler(seed=settings.seed)
    with warnings.catch_warnings():
        # Available since optuna 2.4; the pinned version has it.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return [optuna.samplers.PartialFixedSampler(c, base) for c in combinations if c not in done]


def _draws(optuna: Any, settings: TrainingSettings, finished: Sequence[Any]) -> list[Any]:
    """Return a sampler with its own seed for each remaining trial, so a resumed search draws the same."""
    trials = settings.tuning.trials
    return [
        optuna.samplers.TPESampler(seed=settings.seed + number, n_startup_trials=max(trials // 4, 1))
        for number in range(len(finished), trials)
    ]
