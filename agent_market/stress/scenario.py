"""What a scenario is: how to bring the trouble about and measure, and what must hold of the measurements."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

logger = logging.getLogger(__name__)

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Invariant(Generic[E]):
    """One thing that must hold: the sentence, whether it does, and the evidence in words.

    `timed`: it holds the wall clock to a limit, which a machine that is busy with other things may miss.
    """

    must: str
    holds: Callable[[E], bool]
    measured: Callable[[E], str]
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Scenario(Generic[E]):
    """One trouble. `run` gets an empty folder and returns the evidence, a dataclass of measurements."""

    name: str
    what: str
    run: Callable[[Path], E]
    claims: tuple[Invariant[E], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One claim after the run."""

    must: str
    measured: str
    held: bool
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One scenario after the run; `evidence` is JSON-ready, and empty where it did not run to its end."""

    name: str
    what: str
    seconds: float
    rows: tuple[Row, ...]
    evidence: Mapping[str, Any]

    @property
    def held(self) -> bool:
        return all(row.held for row in self.rows)


def examine(scenario: Scenario[Any], folder: Path) -> Finding:
    """Run one scenario in `folder`. Whatever it raises is a finding too: a claim that was not shown."""
    started = time.perf_counter()
    try:
        evidence = scenario.run(folder)
    except Exception as error:
        logger.exception("the scenario %s did not run to its end", scenario.name)
        cause = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        rows = tuple(Row(claim.must, f"not measured: {cause}", False) for claim in scenario.claims)
        return Finding(scenario.name, scenario.what, time.perf_counter() - started, rows, {})
    seconds = time.perf_counter() - started
    rows = tuple(Row(c.must, c.measured(evidence), bool(c.holds(evidence)), c.timed) for c in scenario.claims)
    assert is_dataclass(evidence)
    assert not isinstance(evidence, type)
    return Finding(scenario.name, scenario.what, seconds, rows, asdict(evidence))
