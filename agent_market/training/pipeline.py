"""`TrainingPipeline`: from a training file to a model, its test metrics, a backtest and feedback."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from freqtrade.configuration.directory_operations import create_userdata_dir
from freqtrade.configuration.load_config import load_from_files
from freqtrade.exceptions import OperationalException
from freqtrade.misc import deep_merge_dicts

from agent_market.config import load_settings
from agent_market.config.base import FEEDBACK_FOLDER
from agent_market.errors import ConfigError
from agent_market.reports.feedback import FEEDBACK_FILE, RoundEntry, append_feedback
from agent_market.store.database import Database, store_url
from agent_market.training.backtest import download, freqai_model, place_of, run_backtest
from agent_market.training.callbacks import Callback, MLflowTracker
from agent_market.training.datasets.dataset import Dataset
from agent_market.training.datasets.features import FeatureDatasetBuilder
from agent_market.training.feature_builder import FeatureBuilder
from agent_market.training.metrics import measure
from agent_market.training.models.base import BaseModelAdapter
from agent_market.training.models.registry import make_model, model_settings
from agent_market.training.report import BacktestMetrics, TrainingReport
from agent_market.training.scaling import Scaler
from agent_market.training.settings import TrainingSettings
from agent_market.training.tuning import ParameterSearch, search, seeded
from agent_market.universe import named_pairs
from agent_market.utils.durable import replace_text

REPORT_FILE = "report.json"
MODEL_FILE = "model.bin"
SUMMARY_FILE = "latest_training_summary.json"


@dataclass(frozen=True, slots=True)
class Prepared:
    """Training rows and later test rows as the strategy computes them, before any scaling."""

    kitchen: FeatureBuilder
    train: Dataset
    test: Dataset


class TrainingPipeline:
    """Train one model, from candles to a backtest.

    :param callbacks: observers of the training; the tracker of the settings is added.
    :param on_words: called with each log message of freqtrade.
    :raises ConfigError: a setting, a model parameter or the freqtrade config is invalid, or a library is
        missing.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        callbacks: Sequence[Callback] = (),
        on_words: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.settings = settings
        model_settings(settings.model, seeded(settings, settings.params))
        tracker = [MLflowTracker(settings.scope)] if settings.tracker == "mlflow" else []
        self._callbacks: tuple[Callback, ...] = (*callbacks, *tracker)
        self._words = on_words
        self.config = _config(settings)
        exchange = str(self.config["exchange"]["name"]).lower()
        self.datadir = settings.datadir or settings.userdir / "data" / exchange

    def run(self) -> TrainingReport:
        """Run all stages: dataset, split, search, fit, test, backtest, report.

        :raises DataError: candles are missing or too few.
        :raises TrainingFailed: the library failed.
        :raises FlowError: freqtrade failed.
        """
        settings = self.settings
        prepared = self.prepare()
        found = self._search(prepared)
        params = {**settings.params, **found.params}
        model, offline, features = self._fit(prepared, params)
        model.save(settings.folder / MODEL_FILE)
        first = datetime.fromtimestamp(int(prepared.test.asof[0]), tz=UTC)
        backtest, notes = self._backtest(params, first)
        known_at = datetime.fromtimestamp(int(prepared.test.known_at[settings.label.name].max()), tz=UTC)
        report = TrainingReport(
            name=settings.name,
            model=settings.model,
            task=settings.chosen_task,
            label=settings.label.name,
            params=params,
            features=features,
            train_rows=len(prepared.train),
            offline=offline,
            backtest=backtest,
            trials=found.trials,
            known_at=known_at if backtest is None else max(known_at, settings.end),
            scope=settings.scope,
            round=settings.round,
            fingerprint=settings.fingerprint(),
            notes=notes,
        )
        self._write(report)
        for callback in self._callbacks:
            callback.done(report)
        return report

    def prepare(self) -> Prepared:
        """Download missing candles from the sandbox, build the rows, and split them in time."""
        settings = self.settings
        if settings.sandbox is not None and not any(self.datadir.glob("*.feather")):
            self._stage("download", f"{len(named_pairs(self.config))} pairs from the sandbox")
            download(settings, self.config, self.datadir, self._words)
        kitchen = FeatureBuilder(
            self.config,
            settings.strategy,
            settings.userdir,
            self.datadir,
            settings.timerange,
            self._strategy_path(),
        )
        builder = FeatureDatasetBuilder(kitchen, (settings.label,))
        dataset = builder.build()
        pairs = f"{len(dataset.pairs)} pair{'s' if len(dataset.pairs) != 1 else ''}"
        self._stage("dataset", f"{len(dataset):,} rows, {dataset.features.shape[1]} features, {pairs}")
        embargo = settings.embargo_candles * builder.timeframe_s
        train, test = dataset.purged_split(settings.label.name, settings.test_share, embargo)
        if settings.sample_every > 1:
            train = train.every(settings.sample_every, builder.timeframe_s)
        begin = datetime.fromtimestamp(int(test.asof[0]), tz=UTC)
        self._stage(
            "split",
            f"{len(train):,} training rows, {len(test):,} test rows from {begin:%Y-%m-%d %H:%M}",
        )
        return Prepared(kitchen, train, test)

    def _search(self, prepared: Prepared) -> ParameterSearch:
        settings = self.settings
        if settings.tuning.method == "none":
            return ParameterSearch({}, 0.0, 1)
        self._stage(
            "tune", f"{settings.tuning.method}, {settings.tuning.folds} purged folds of the training rows"
        )
        settings.userdir.mkdir(parents=True, exist_ok=True)
        database = Database(store_url(load_settings(self.config).store.url, settings.userdir))
        try:
            code = settings.fingerprint()
            return search(settings, prepared.train, Scaler(prepared.kitchen), database, self._callbacks, code)
        finally:
            database.close()

    def _fit(self, prepared: Prepared, params: Mapping[str, Any]) -> tuple[BaseModelAdapter[Any], Any, int]:
        settings, label = self.settings, self.settings.label.name
        older, newer = prepared.train.purged_split(label, settings.validation_share)
        scaler = Scaler(prepared.kitchen).fitted(older)
        learned, later, judged = (scaler.apply(rows) for rows in (older, newer, prepared.test))
        self._stage("train", f"{settings.model}, {settings.chosen_task} of {label}")

        def progress(number: int, loss: float) -> None:
            for callback in self._callbacks:
                callback.epoch(number, loss)

        model = make_model(settings.model, seeded(settings, params), settings.chosen_task)
        model.fit(learned.samples(label), later.samples(label), progress=progress)
        self._stage("judge", f"{len(judged):,} test rows")
        return model, measure(model, learned.samples(label), judged.samples(label)), learned.features.shape[1]

    def _backtest(
        self, params: Mapping[str, Any], first: datetime
    ) -> tuple[BacktestMetrics | None, tuple[str, ...]]:
        settings = self.settings
        if not settings.backtest:
            return None, ()
        if freqai_model(settings) is None:
            return None, (f"{settings.model} has no packaged FreqAI model, so nothing was backtested",)
        # The first whole day on which every row is a test row.
        day = (first + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        self._stage(
            "backtest",
            f"{freqai_model(settings)}, {day:%Y-%m-%d} to {settings.end:%Y-%m-%d}, retrained by FreqAI",
        )
        seeded_params = seeded(settings, params)
        metrics, _ = run_backtest(settings, self.config, self.datadir, seeded_params, day, self._words)
        notes: tuple[str, ...] = ()
        if settings.chosen_task == "regression" and settings.label.kind != "scaled":
            notes = ("freqtrade trained on the strategy's own target, the scaled return",)
        return metrics, notes

    def _write(self, report: TrainingReport) -> None:
        settings = self.settings
        packed = report.to_json()
        replace_text(settings.folder / REPORT_FILE, packed)
        if not settings.feedback:
            return
        folder = settings.userdir / FEEDBACK_FOLDER
        self._stage(
            "feedback", f"{FEEDBACK_FOLDER}/{FEEDBACK_FILE}, round {settings.round} of {settings.scope}"
        )
        replace_text(folder / SUMMARY_FILE, packed)
        entry = RoundEntry(report.known_at, report.round, report.feedback_lines, report.scope)
        for moved in append_feedback(folder, entry.to_json()):
            self._stage("feedback", moved)

    def _strategy_path(self) -> Path | None:
        return place_of(
            self.settings.strategy_path, self.settings.userdir, "strategies", self.settings.strategy
        )

    def _stage(self, name: str, detail: str) -> None:
        for callback in self._callbacks:
            callback.stage(name, detail)


def _config(settings: TrainingSettings) -> dict[str, Any]:
    try:
        config: dict[str, Any] = load_from_files([str(file) for file in settings.config])
        create_userdata_dir(str(settings.userdir), create_dir=True)
    except OperationalException as error:
        raise ConfigError(f"training.config: {error}") from error
    overlay: dict[str, Any] = deep_merge_dicts(dict(settings.freqtrade), {})
    if settings.pairs:
        overlay.setdefault("exchange", {})["pair_whitelist"] = list(settings.pairs)
    if settings.timeframe:
        overlay["timeframe"] = settings.timeframe
    deep_merge_dicts(overlay, config)
    for key in ("timeframe", "freqai"):
        if not config.get(key):
            raise ConfigError(
                f"the freqtrade config has no `{key}`; set it there, or under `freqtrade` in the training"
            )
    if not config.get("exchange", {}).get("pair_whitelist"):
        raise ConfigError("the freqtrade config has no `exchange.pair_whitelist`; set it there, or `pairs`")
    return config
