"""Libraries that only some users have: imported where they are used, with a message that names the extra."""

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
    """The module of that name.

    :raises ConfigError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        extra = _EXTRA.get(name.split(".", maxsplit=1)[0])
        how = f"install agent-market[{extra}]" if extra else f"pip install {name}"
        raise ConfigError(f"{needed_for} needs the package {error.name}; {how}") from error
