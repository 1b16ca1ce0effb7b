"""What makes two FreqAI runs the same run.

`freqai.identifier` is freqtrade's only cache key: another model class, another parameter or another
feature under the same identifier silently reuses old predictions.  So it is derived here: the name the user
chose, plus a hash of everything that can change a prediction.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import orjson
from freqtrade.config_schema.config_schema import CONF_SCHEMA
from freqtrade.enums import TRADE_MODES
from freqtrade.strategy import IStrategy

import agent_market
from agent_market.books import shelf_digests
from agent_market.config import SECTION
from agent_market.errors import ConfigError
from agent_market.runs.data_digest import ALL_SERIES_KEY, candle_digests, end_of
from agent_market.runs.knowledge import earlier_episodes_digest, embedder_digest, forgotten_digest
from agent_market.runs.user_code import feature_code, refused, whole_code
from agent_market.universe import universe_of
from agent_market.utils.durable import replace_bytes

logger = logging.getLogger(__name__)

DECIDING_PACKAGES = (
    "records.py",
    "books.py",
    "candles.py",
    "costs.py",
    "outcomes.py",
    "pipeline",
    "strategy",
    "runs",
    "features",
    "perception",
    "memory",
    "agents",
    "llm",
    "decision",
    "rl",
    "risk",
    "freqai",
    "factors",
    "training",
    "config",
    "stats",
    "universe.py",
)
"""Code whose change may change a decision."""

BASE_KEY = "identifier_base"
FEATURE_CODE_KEY = "feature_code"
LIVE_PREDICTIONS = "historic_predictions.pkl"
"""In FreqAI's folder of a live run: what it has predicted."""
INPUTS_FILE = "agent_market_inputs.json"
"""In FreqAI's folder of a run: up to when it has read which candles."""

# What changes where a model runs or what it may spend, and never what it predicts.
_NOT_PREDICTING = ("identifier", BASE_KEY, "wait_for_training_iteration_on_reload", "purge_old_models")

_PACKAGES = (
    *("freqtrade", "datasieve", "numpy", "pandas", "TA-Lib", "ft-pandas-ta", "technical", "scikit-learn"),
    *("lightgbm", "xgboost", "catboost", "torch", "stable-baselines3", "sb3-contrib"),
)
_ADDRESS = ("base_url", "api_key_env")
_TRANSPORT = (
    *_ADDRESS,
    *("mode", "timeout_s", "retries", "max_in_flight", "deadline_s", "breaker_failures", "breaker_open_s"),
    "knowledge_cutoffs",
)
_NOT_DECIDING = ("store", "live", "tuning", "mining", "bot", "jobs")


def stamp_features(config: dict[str, Any], strategy: object) -> None:
    """Leave a hash of the strategy's feature code in the config, where the model's `__init__` finds it."""
    code = feature_code(strategy, config.get("user_data_dir"), config.get("runmode") not in TRADE_MODES)
    config["freqai"][FEATURE_CODE_KEY] = code.digest + refused(code)
    config[ALL_SERIES_KEY] = code.reads_candles


def derive_identifier(config: dict[str, Any], model: type) -> str:
    """The identifier for `model` under `config`: the user's own name, then 12 hex digits.

    Deriving twice gives the same.  In a backtest the *start* of the time range counts (memory and weights
    grow from there) and its end does not: a longer run continues a shorter one, unless candles that the
    shorter one read have changed since, or more is known by its end that was taught or stands in a context
    series.
    """
    freqai = config["freqai"]
    base = str(freqai.get(BASE_KEY) or freqai.get("identifier") or "agent_market")
    freqai[BASE_KEY] = base
    if FEATURE_CODE_KEY not in freqai:
        _stamp_plain_strategy(config)
    parts = _parts(config, model)
    return f"{base}-{_digest({**parts, 'candles': _candles_of_run(config, base, _digest(parts))})}"


def use_live_identifier(config: dict[str, Any]) -> None:
    """For `--freqai-backtest-live-models`: point FreqAI at what the newest live run of this name predicted.

    freqtrade looks for it under the name that the user chose, while a live run's folder bears its identifier.
    Call it before freqtrade looks, in the strategy's `__init__`.  Does nothing without the option.

    :raises ConfigError: no live run has left predictions.
    """
    if not config.get("freqai_backtest_live_models") or not config.get("freqai", {}).get("enabled"):
        return
    freqai = config["freqai"]
    base = str(freqai.get(BASE_KEY) or freqai.get("identifier") or "agent_market")
    found = [
        file
        for file in _models(config).glob(f"*/{LIVE_PREDICTIONS}")
        if file.parent.name == base or file.parent.name.startswith(f"{base}-")
    ]
    if not found:
        raise ConfigError(
            f"--freqai-backtest-live-models: no live run of freqai.identifier {base!r} has left predictions "
            f"under {_models(config)}; let `freqtrade trade` run with this identifier until it has predicted"
        )
    newest = max(found, key=lambda file: file.stat().st_mtime_ns).parent.name
    logger.info("Backtesting what the live run %s predicted; its settings hold, not those of now", newest)
    freqai[BASE_KEY], freqai["identifier"] = base, newest


def remember_inputs(config: Mapping[str, Any], model: type) -> None:
    """Write beside FreqAI's predictions up to when they have read which candles; see `derive_identifier`.

    Call it with the identifier set.  Does nothing for a live bot.
    """
    digests = candle_digests(config)
    if not digests.before:
        return
    freqai = config["freqai"]
    run = _digest(_parts(config, model))
    tag = _candles_of_run(config, str(freqai[BASE_KEY]), run)
    until, before = end_of(config), digests.before
    file = _models(config) / str(freqai["identifier"]) / INPUTS_FILE
    known = _remembered(file)
    if known is not None and (not known["until"] or (until and known["until"] > until)):
        until, before = known["until"], known["before"]
    replace_bytes(file, orjson.dumps({"run": run, "candles": tag, "until": until, "before": before}))


def _parts(config: Mapping[str, Any], model: type) -> dict[str, Any]:
    """What makes two runs the same run, but for their candles."""
    freqai, is_live = config["freqai"], config.get("runmode") in TRADE_MODES
    model_code = whole_code([model], config.get("user_data_dir"), not is_live)
    return {
        "model": f"{model.__module__}.{model.__qualname__}",
        "model_code": [
            [_source(c) for c in model.__mro__ if _is_ours(c)],
            model_code.digest + refused(model_code),
        ],
        "code": code_digest(),
        "packages": {} if is_live else versions(),
        "freqai": {k: v for k, v in freqai.items() if k not in _NOT_PREDICTING},
        "settings": _deciding_settings(config.get("agent_market", {})),
        "own keys": own_keys(config),
        "books": shelf_digests(config),
        "embedder": embedder_digest(config),
        "forgotten": forgotten_digest(config),
        "earlier episodes": earlier_episodes_digest(config),
        "timeframe": config.get("timeframe"),
        "pairs": sorted(universe_of(config)),
        "start": str(config.get("timerange") or "").split("-")[0],
        "trading_mode": str(config.get("trading_mode", "spot")),
    }


def _candles_of_run(config: Mapping[str, Any], base: str, run: str) -> str:
    """The candles' part of the identity: an earlier run's, where all that it read is still the same."""
    digests = candle_digests(config)
    if not digests.before:
        return ""
    for file in sorted(_models(config).glob(f"*/{INPUTS_FILE}")):
        known = _remembered(file) if file.parent.name.startswith(f"{base}-") else None
        if known is None or known["run"] != run:
            continue
        if candle_digests(config, known["until"]).before == known["before"]:
            return str(known["candles"])
    return digests.before


def _remembered(file: Path) -> dict[str, Any] | None:
    """What `remember_inputs` wrote; None where it is absent or broken, and then nothing is reused."""
    try:
        known = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    is_whole = isinstance(known, dict) and {"run", "candles", "until", "before"} <= known.keys()
    return known if is_whole else None


def _models(config: Mapping[str, Any]) -> Path:
    return Path(config["user_data_dir"]) / "models"


def _stamp_plain_strategy(config: dict[str, Any]) -> None:
    """The same for a strategy that is not built in: freqtrade loads its class before the model."""
    kind = _loaded_strategy(str(config.get("strategy") or ""))
    if kind is not None:
        stamp_features(config, kind)


def _loaded_strategy(name: str) -> type | None:
    """The strategy class of this name that freqtrade loaded last."""
    found = [kind for kind in _subclasses(IStrategy) if kind.__name__ == name]
    return found[-1] if found else None


def _subclasses(kind: type) -> Iterator[type]:
    subclasses: list[type] = kind.__subclasses__()
    for one in subclasses:
        yield one
        yield from _subclasses(one)


def own_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of the user's config files that freqtrade does not know: strategies may read them."""
    written = config.get("original_config") or {}
    known = {*CONF_SCHEMA["properties"], SECTION, "$schema", "config_files"}
    return {key: value for key, value in written.items() if key not in known}


def _deciding_settings(section: Mapping[str, Any]) -> dict[str, Any]:
    """The settings without those that only say where to ask, how patiently, and where to write."""
    kept = {k: v for k, v in section.items() if k not in _NOT_DECIDING}
    if "llm" in kept:
        llm = {k: v for k, v in kept["llm"].items() if k not in _TRANSPORT}
        if llm.get("deep"):
            llm["deep"] = _without_address(llm["deep"])
        if "fallbacks" in llm:
            llm["fallbacks"] = [_without_address(endpoint) for endpoint in llm["fallbacks"]]
        kept["llm"] = llm
    return kept


def _without_address(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in endpoint.items() if k not in _ADDRESS}


def _digest(parts: Mapping[str, Any]) -> str:
    packed = orjson.dumps(parts, default=str, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(packed).hexdigest()[:12]


@cache
def code_digest() -> str:
    """Hash of the package's own code, as far as it decides anything."""
    root = Path(agent_market.__file__).parent
    digest = hashlib.sha256()
    for name in DECIDING_PACKAGES:
        place = root / name
        for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@cache
def package_digest() -> str:
    """Hash of all code of the package: what cannot change a prediction may still change a trade."""
    root = Path(agent_market.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@cache
def versions() -> dict[str, str]:
    """Versions of the installed packages that compute features, train models or trade."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _is_ours(kind: type) -> bool:
    return not kind.__module__.startswith(("freqtrade.", "builtins", "abc"))


def _source(kind: type) -> str:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return kind.__qualname__
