"""Settings that flows and trainings share, and the reading of their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from agent_market.config import Settings
from agent_market.errors import ConfigError


class FlowSandbox(Settings):
    """The sandbox that serves market and model while the flow runs."""

    data: Path | None = None
    """Folder of freqtrade feather files to serve; unset serves the synthetic market."""
    seed: int = 7
    """Seed of the synthetic market."""


def read_settings_file(file: Path, changes: Sequence[str] = ()) -> dict[str, Any]:
    """A YAML (or JSON) file of keys and values with `key=value` changes, not checked yet.

    :raises ConfigError: the file cannot be read, or a change is none.
    """
    return changed_values(_read(file), changes)


def changed_values(raw: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """`raw`, changed in place by `key=value` with dotted keys.

    :raises ConfigError: a change is none.
    """
    for change in changes:
        _apply(raw, change)
    return raw


def _read(file: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the flow file {file}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is no YAML: {error}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{file} must hold keys and values, found {type(raw).__name__}")
    return raw


def _apply(raw: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    path = key.strip().split(".")
    if not equals or not all(path):
        raise ConfigError(f"--set {change!r}: write it as key=value, for example --set rounds=2")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {change!r}: the value cannot be read: {error}") from error
    node = raw
    for part in path[:-1]:
        below = node.get(part)
        if below is None:
            below = node[part] = {}
        if not isinstance(below, dict):
            raise ConfigError(f"--set {change!r}: `{part}` is a value ({below!r}), it has no keys below it")
        node = below
    node[path[-1]] = value
