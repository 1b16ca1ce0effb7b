"""Models by name.  An entry is an import path, so that using one model never loads another's library."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent_market.config import Settings, parse_settings
from agent_market.errors import ConfigError, DataError
from agent_market.training.models.base import BaseModelAdapter, Task, unpacked
from agent_market.training.models.libraries import library

_PLACES: dict[str, str] = {
    "lightgbm": "agent_market.training.models.trees:LightGBMAdapter",
    "xgboost": "agent_market.training.models.trees:XGBoostAdapter",
    "catboost": "agent_market.training.models.trees:CatBoostAdapter",
    "mlp": "agent_market.training.models.neural:MLPAdapter",
    "lstm": "agent_market.training.models.neural:LSTMAdapter",
    "transformer": "agent_market.training.models.neural:TransformerAdapter",
    "policy": "agent_market.rl.policy:PolicyAdapter",
    "stacking": "agent_market.training.models.ensemble:StackingAdapter",
    "blending": "agent_market.training.models.ensemble:BlendingAdapter",
}
_NEEDS_TORCH = ("mlp", "lstm", "transformer", "policy")


def model_names() -> tuple[str, ...]:
    """Return all model names, in the order of the table."""
    return tuple(_PLACES)


def register_model(name: str, place: str) -> None:
    """Register a custom model.

    :param name: name for settings and saved files.
    :param place: `package.module:Class` of a `BaseModelAdapter`.

    :raises ConfigError: another class has the name.
    """
    if _PLACES.get(name, place) != place:
        raise ConfigError(f"the model name {name!r} is used by {_PLACES[name]}; choose another")
    _PLACES[name] = place


def adapter_type(name: str) -> type[BaseModelAdapter[Any]]:
    """Return the adapter class of a model.

    :raises ConfigError: the name is unknown, or its library is not installed.
    """
    if name not in _PLACES:
        close = difflib.get_close_matches(name, _PLACES, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(_PLACES)}"
        raise ConfigError(f"unknown model {name!r}; {hint}")
    if name in _NEEDS_TORCH:
        library("torch", f"model {name}")
    if name == "policy":
        library("stable_baselines3", "model policy")
    module, kind = _PLACES[name].split(":")
    found: type[BaseModelAdapter[Any]] = getattr(importlib.import_module(module), kind)
    return found


def model_settings(name: str, parameters: Mapping[str, Any] | None = None) -> Settings:
    """Return the typed settings of a model, with `parameters` laid over its defaults.

    :raises ConfigError: names an unknown or invalid parameter.
    """
    return parse_settings(adapter_type(name).settings_type, dict(parameters or {}), name)


def make_model(
    name: str, parameters: Mapping[str, Any] | None = None, task: Task = "regression"
) -> BaseModelAdapter[Any]:
    """Create an unfitted model.

    :param parameters: parameters laid over the model's defaults.
    :raises ConfigError: the name, a parameter or the task is invalid, or a library is missing.
    """
    return adapter_type(name)(model_settings(name, parameters), task)


def load_model(file: Path) -> BaseModelAdapter[Any]:
    """Load a saved model of any type.

    :raises DataError: the file is absent or not a saved model.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"no model at {file}: {error.strerror}") from error
    return model_from_bytes(content, str(file))


def model_from_bytes(content: bytes, where: str = "the given bytes") -> BaseModelAdapter[Any]:
    """Restore a model from the bytes of `BaseModelAdapter.to_bytes`."""
    meta, _ = unpacked(content, where)
    return adapter_type(str(meta["name"])).from_bytes(content, where)
