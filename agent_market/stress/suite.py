"""The suite: which scenarios there are, running them one after the other, and everything as JSON."""

from __future__ import annotations

import logging
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

import agent_market
from agent_market.errors import ConfigError
from agent_market.stress.scenario import Finding, Scenario, examine
from agent_market.stress.scenarios.api_errors import API_ERRORS
from agent_market.stress.scenarios.clock_jump import CLOCK_JUMP
from agent_market.stress.scenarios.false_news import FALSE_NEWS
from agent_market.stress.scenarios.flash_crash import FLASH_CRASH
from agent_market.stress.scenarios.killed import KILLED
from agent_market.stress.scenarios.model_down import MODEL_DOWN
from agent_market.stress.scenarios.source_cut import SOURCE_CUT
from agent_market.stress.scenarios.volatility import VOLATILITY

SCENARIOS: tuple[Scenario[Any], ...] = (
    FLASH_CRASH,
    FALSE_NEWS,
    SOURCE_CUT,
    API_ERRORS,
    VOLATILITY,
    MODEL_DOWN,
    KILLED,
    CLOCK_JUMP,
)
LOG = "stress.log"


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of one run."""

    findings: tuple[Finding, ...]
    started: datetime
    machine: str

    @property
    def held(self) -> bool:
        return all(finding.held for finding in self.findings)

    @property
    def seconds(self) -> float:
        return sum(finding.seconds for finding in self.findings)


def choose(names: Sequence[str]) -> tuple[Scenario[Any], ...]:
    """Return the scenarios of these names, in the suite's order; without names, all.

    :raises ConfigError: a name is unknown.
    """
    known = [scenario.name for scenario in SCENARIOS]
    for name in names:
        if name not in known:
            raise ConfigError(f"unknown scenario {name!r}; use one of {', '.join(known)}")
    return tuple(scenario for scenario in SCENARIOS if not names or scenario.name in names)


def run_suite(
    scenarios: Sequence[Scenario[Any]],
    log: Path,
    told: Callable[[Scenario[Any]], None] = lambda scenario: None,
) -> Report:
    """Run scenarios one after the other, each in a temporary folder.

    :param log: file that the bots' logs are appended to.
    :param told: hears of each scenario as it begins.
    """
    started, findings = datetime.now(UTC), []
    with _logging_to(log):
        for scenario in scenarios:
            told(scenario)
            with tempfile.TemporaryDirectory(prefix=f"stress-{scenario.name}-") as folder:
                findings.append(examine(scenario, Path(folder)))
    machine = f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return Report(tuple(findings), started, machine)


def as_json(report: Report) -> bytes:
    """The report with every measurement; a number that is not finite is null."""
    whole = {
        "version": agent_market.__version__,
        "started": report.started.isoformat(timespec="seconds"),
        "machine": report.machine,
        "seconds": round(report.seconds, 1),
        "held": report.held,
        "scenarios": [asdict(finding) | {"held": finding.held} for finding in report.findings],
    }
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


@contextmanager
def _logging_to(file: Path) -> Iterator[None]:
    """Everything that is logged or written to stderr goes to `file`; as it was afterwards.

    Freqtrade and uvicorn log to stderr past the root logger.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as out, redirect_stderr(out):
        handler = logging.StreamHandler(out)
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        root.handlers[:] = [handler]
        root.setLevel(logging.INFO)
        try:
            yield
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
