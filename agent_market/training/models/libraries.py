"""Import optional libraries on use, with an error that names the extra to install."""

from __future__ import annotations

import importlib
from types import ModuleType

from agent_market.errors import ConfigError

_EXTRA = {
    "catboost": "models",
    "torch": "models",
    "stable_baselines3": "rl",
    "gymnasium": "rl",
    "optuna": "models",
}


def library(name: str, needed_for: str) -> ModuleType:
    """Import and return a module.

    :raises ConfigError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        extra = _EXTRA.get(name.split(".", maxsplit=1)[0])
        how = f"install agent-market[{extra}]" if extra else f"pip install {name}"
        raise ConfigError(f"{needed_for} needs the package {error.name}; {how}") from error
