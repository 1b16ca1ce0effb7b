"""What makes two FreqAI runs the same run.

`freqai.identifier` is freqtrade's only cache key: another model class, another parameter or another
feature under the same identifier silently reuses old predictions.  So ours is derived: the name the user
chose, plus a hash of everything that can change a prediction.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from freqtrade.enums import TRADE_MODES

import agent_market
from agent_market.freqai.factor_features import factors_digest
from agent_market.runs.data_digest import candles_digest, context_digest
from agent_market.runs.knowledge import knowledge_digest
from agent_market.runs.prompts_digest import prompts_digest

DECIDING_PACKAGES = (
    "records.py",
    "costs.py",
    "cycle.py",
    "perception",
    "memory",
    "agents",
    "decision",
    "risk",
    "reflection",
    "freqai",
    "factors",
    "models",
    "config",
    "learning",
)
"""Code whose change may change a decision."""

FEATURE_METHODS = (
    "feature_engineering_expand_all",
    "feature_engineering_expand_basic",
    "feature_engineering_standard",
    "set_freqai_targets",
)

BASE_KEY = "identifier_base"
FEATURE_CODE_KEY = "feature_code"

# What changes where a model runs or what it may spend, and never what it predicts.
_NOT_PREDICTING = ("identifier", BASE_KEY, "wait_for_training_iteration_on_reload", "purge_old_models")

_ADDRESS = ("base_url", "api_key_env")
_TRANSPORT = (
    *_ADDRESS,
    *("mode", "timeout_s", "retries", "max_in_flight", "deadline_s", "breaker_failures", "breaker_open_s"),
    "knowledge_cutoffs",
)
_NOT_DECIDING = ("store", "live", "tuning", "mining", "bot")


def stamp_features(config: dict[str, Any], strategy: object) -> None:
    """Leave a hash of the strategy's feature code in the config, where the model's `__init__` finds it."""
    digest = hashlib.sha256()
    for name in FEATURE_METHODS:
        digest.update(inspect.getsource(getattr(type(strategy), name)).encode())
    config["freqai"][FEATURE_CODE_KEY] = digest.hexdigest()[:16]


def derive_identifier(config: dict[str, Any], model: type) -> str:
    """The identifier for `model` under `config`: the user's own name, then 12 hex digits.

    Deriving twice gives the same.  In a backtest the *start* of the time range counts (memory and weights
    grow from there) and its end does not: a longer run continues a shorter one, unless more is known by its
    end that was taught or stands in a context series.
    """
    freqai = config["freqai"]
    base = str(freqai.get(BASE_KEY) or freqai.get("identifier") or "agent_market")
    parts = {
        "model": f"{model.__module__}.{model.__qualname__}",
        "model_code": [_source(c) for c in model.__mro__ if _is_ours(c)],
        "code": code_digest(),
        "freqai": {k: v for k, v in freqai.items() if k not in _NOT_PREDICTING},
        "settings": _deciding_settings(config.get("agent_market", {})),
        "feedback": _feedback_digest(config),
        "knowledge": knowledge_digest(config),
        "prompts": prompts_digest(config),
        "context": context_digest(config),
        "candles": candles_digest(config),
        "factors": factors_digest(config),
        "timeframe": config.get("timeframe"),
        "pairs": sorted(config.get("exchange", {}).get("pair_whitelist", [])),
        "start": str(config.get("timerange") or "").split("-")[0],
        "trading_mode": str(config.get("trading_mode", "spot")),
    }
    freqai[BASE_KEY] = base
    return f"{base}-{_digest(parts)}"


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


def _feedback_digest(config: Mapping[str, Any]) -> str:
    """Hash of the feedback file; empty for a live bot, whose models are not trained anew for it."""
    if config.get("runmode") in TRADE_MODES:
        return ""
    file = config.get("agent_market", {}).get("agents", {}).get("feedback_file")
    if not file:
        return ""
    path = Path(config["user_data_dir"]) / file
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else ""


def _is_ours(kind: type) -> bool:
    return not kind.__module__.startswith(("freqtrade.", "builtins", "abc"))


def _source(kind: type) -> str:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return kind.__qualname__
