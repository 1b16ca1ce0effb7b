"""Scenarios that need no bot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from agent_market.stress.scenario import Invariant, Scenario


@dataclass(frozen=True, slots=True)
class Measured:
    """One number."""

    seconds: float


def scenario(name: str, seconds: float | Exception) -> Scenario[Measured]:
    def run(folder: Path) -> Measured:
        if isinstance(seconds, Exception):
            raise seconds
        return Measured(seconds)

    return Scenario(
        name,
        f"what <b>{name}</b> does",
        run,
        (
            Invariant("within 5 s", lambda e: e.seconds <= 5.0, lambda e: f"{e.seconds:g} s"),
            Invariant("at all", lambda e: e.seconds < float("inf"), lambda e: "so [it] is"),
        ),
    )


@pytest.fixture
def good() -> Scenario[Measured]:
    return scenario("good", 1.0)


@pytest.fixture
def bad() -> Scenario[Measured]:
    return scenario("bad", 6.0)


@pytest.fixture
def broken() -> Scenario[Measured]:
    return scenario("broken", RuntimeError("planted"))
