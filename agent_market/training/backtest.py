"""Backtest a model with freqtrade over the test span; FreqAI retrains it window by window."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from freqtrade.misc import deep_merge_dicts

from agent_market.errors import FlowError
from agent_market.freqtrade_cli import call_freqtrade, last_words
from agent_market.reports.content import ReportContent
from agent_market.reports.load import gather
from agent_market.resources import TEMPLATES
from agent_market.training.report import BacktestMetrics
from agent_market.training.settings import TrainingSettings
from agent_market.universe import named_pairs
from agent_market.utils.durable import replace_text

_NAMES = {
    "lightgbm": "AgentLightGBM",
    "xgboost": "AgentXGBoost",
    "catboost": "Catboost",
    "mlp": "AgentMLP",
    "lstm": "AgentLSTM",
    "transformer": "AgentTransformer",
    "stacking": "AgentStacking",
    "blending": "AgentBlending",
}
_STRATEGIES = {
    "regression": "AgentMarketQuantOnly",
    "classification": "AgentMarketDirection",
    "policy": "AgentMarketReinforcement",
}
_POLICY_PASSES = 5
_WARM_UP = timedelta(days=30)


def freqai_model(settings: TrainingSettings) -> str | None:
    """Return the class in `user_data/freqaimodels` that trains this model; None for a user's own model."""
    if settings.chosen_task == "policy":
        return "AgentReinforcementLearner"
    name = _NAMES.get(settings.model)
    return (
        None
        if name is None
        else name + ("Classifier" if settings.chosen_task == "classification" else "Regressor")
    )


def run_backtest(
    settings: TrainingSettings,
    config: Mapping[str, Any],
    datadir: Path,
    params: Mapping[str, Any],
    first: datetime,
    on_words: Callable[[str], None],
) -> tuple[BacktestMetrics, ReportContent]:
    """Backtest the model with freqtrade from the day of `first` to the end of the time range.

    :param config: the merged freqtrade config.
    :param params: parameters of the model, laid over its defaults.
    :param first: start of the backtest (UTC); only its day counts.
    :param on_words: called with each log message of freqtrade.
    :return: the metrics (fractions, after costs) and the content of the report.
    :raises FlowError: freqtrade failed, or wrote no result.
    """
    model = freqai_model(settings)
    assert model is not None
    folder, results = settings.folder, settings.folder / "result"
    with served(settings, config) as overlay:
        own = deep_merge_dicts(overlay, deep_merge_dicts(_training_keys(settings, params), dict(config)))
        own["freqai"]["model_training_parameters"] = _parameters(settings, params)
        file = folder / "config.json"
        replace_text(file, json.dumps(own, indent=2, default=str) + "\n")
        common = ("--config", str(file), "--userdir", str(settings.userdir), "--datadir", str(datadir))
        strategy = _STRATEGIES[settings.chosen_task]
        call = call_freqtrade(
            "backtest",
            [
                *("backtesting", *common, "--strategy", strategy, "--freqaimodel", model),
                *(
                    "--strategy-path",
                    str(place_of(settings.strategy_path, settings.userdir, "strategies", strategy)),
                ),
                *(
                    "--freqaimodel-path",
                    str(place_of(settings.freqaimodel_path, settings.userdir, "freqaimodels", model)),
                ),
                *("--timerange", f"{first:%Y%m%d}-{settings.end:%Y%m%d}"),
                *("--export", "trades", "--cache", "none", "--backtest-directory", str(_empty(results))),
            ],
            folder,
            on_words,
        )
    found = sorted(results.glob("backtest-result-*.zip"))
    if not found:
        raise FlowError(
            f"backtest: freqtrade wrote no result in {results}. End of its log:\n{last_words(call.log)}"
        )
    content = gather(found[-1], settings.userdir, datadir)
    return _metrics(content), content


def download(
    settings: TrainingSettings, config: Mapping[str, Any], datadir: Path, on_words: Callable[[str], None]
) -> None:
    """Download the candles with freqtrade, from the sandbox or the exchange of the settings."""
    start = settings.start - _WARM_UP - timedelta(days=int(config["freqai"].get("train_period_days", 0)))
    with served(settings, config) as overlay:
        file = settings.folder / "download.json"
        replace_text(file, json.dumps(deep_merge_dicts(overlay, dict(config)), indent=2, default=str) + "\n")
        timeframes = {
            config["timeframe"],
            *config["freqai"]["feature_parameters"].get("include_timeframes", []),
        }
        call_freqtrade(
            "download",
            [
                *("download-data", "--config", str(file), "--userdir", str(settings.userdir)),
                *("--datadir", str(datadir), "--timeframes", *sorted(timeframes)),
                *("--timerange", f"{start:%Y%m%d}-{settings.end + timedelta(days=1):%Y%m%d}"),
            ],
            settings.folder,
            on_words,
        )


@contextmanager
def served(settings: TrainingSettings, config: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the config keys that point freqtrade at the market; run the sandbox inside the block."""
    sandbox = settings.sandbox
    if sandbox is None:
        yield {}
        return
    # Imported late: the sandbox is an extra, and training on a real exchange does not need it.
    from agent_market.sandbox.endpoints import overlay  # noqa: PLC0415
    from agent_market.sandbox.faults import FaultRegistry  # noqa: PLC0415
    from agent_market.sandbox.session import MarketChoice, open_market, serving  # noqa: PLC0415

    pairs = None if sandbox.data else named_pairs(config)
    with serving(open_market(MarketChoice(sandbox.data, sandbox.seed, pairs)), FaultRegistry()) as endpoints:
        yield overlay(endpoints.exchange, endpoints.model)


def _parameters(settings: TrainingSettings, params: Mapping[str, Any]) -> dict[str, Any]:
    if settings.chosen_task != "policy":
        return dict(params)
    kept = {key: value for key, value in params.items() if key in ("learning_rate", "seed")}
    return {"seed": settings.seed, **kept}


def _training_keys(settings: TrainingSettings, params: Mapping[str, Any]) -> dict[str, Any]:
    freqai: dict[str, Any] = {"identifier": settings.name}
    if settings.chosen_task == "policy":
        hidden = int(params.get("hidden", 64))
        freqai["rl_config"] = {
            "train_cycles": _POLICY_PASSES,
            "model_type": str(params.get("algorithm", "ppo")).upper(),
            "policy_type": "MlpPolicy",
            "net_arch": [hidden, hidden],
            "model_reward_parameters": {},
            "max_training_drawdown_pct": 0.5,
        }
    return {"freqai": freqai, "agent_market": {"decision": {"horizon_candles": settings.label.horizon}}}


def place_of(chosen: Path | None, userdir: Path, kind: str, name: str) -> Path:
    """Return the folder of a class: the chosen one, the one in `userdir`, or the packaged templates."""
    if chosen is not None:
        return chosen
    own = userdir / kind
    return own if (own / f"{name}.py").is_file() else TEMPLATES / "user_data" / kind


def _empty(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    return folder


def _metrics(content: ReportContent) -> BacktestMetrics:
    contenders = content.comparison.contenders
    model = next(c for c in contenders if c.part != "buy_and_hold")
    held = content.comparison.of("buy_and_hold")
    return BacktestMetrics(
        profit=model.performance.total_return,
        sharpe=model.performance.sharpe,
        win_rate=model.win_rate,
        max_drawdown=model.performance.max_drawdown,
        trades=model.trades,
        buy_and_hold=None if held is None else held.performance.total_return,
    )
