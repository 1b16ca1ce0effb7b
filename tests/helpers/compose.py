"""The services of docker-compose.yml as commands and environment that run here, without a Docker engine."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

BOTS = ("aggressive", "conservative", "ensemble")
INSIDE = "/freqtrade"
GIVEN = {"API_USERNAME": "anna", "API_PASSWORD": "planted-password", "API_JWT_SECRET": "planted-" * 5}

_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Service:
    """One service: arguments for freqtrade, its environment, and the port on the host."""

    name: str
    arguments: list[str]
    environment: dict[str, str]
    port: int

    def option(self, name: str) -> str:
        """The value after one option of the command."""
        return self.arguments[self.arguments.index(name) + 1]


def compose(repository: Path) -> dict[str, Any]:
    """The compose file, with its anchors resolved."""
    loaded: dict[str, Any] = yaml.safe_load((repository / "docker-compose.yml").read_text())
    return loaded


def service(repository: Path, name: str, root: Path, given: Mapping[str, str] = GIVEN) -> Service:
    """A service of the file with `/freqtrade` of its container at `root`."""
    found = compose(repository)["services"][name]
    (published,) = found["ports"]
    host, port, inside = published.split(":")
    assert (host, inside) == ("127.0.0.1", "8080")
    environment = {key: filled(value, given) for key, value in found["environment"].items()}
    command = filled(found["command"], given)
    arguments = [word.replace(f"{INSIDE}/", f"{root}/") for word in shlex.split(command)]
    return Service(name, arguments, environment, int(port))


def filled(text: str, given: Mapping[str, str]) -> str:
    """Compose's interpolation: `${A}`, `${A:-default}`, and `${A:?message}`, which must be set."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        if given.get(name):
            return given[name]
        assert kind == "-", f"{name} is not set: {rest}"
        return str(rest)

    return _VARIABLE.sub(value, text)
