"""The import graph of the package: what stands on what, read from the code."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import agent_market

ROOT = Path(agent_market.__file__).parent
GROUND = {
    "utils": {"config", "errors"},
    "errors": set(),
    "config": {"errors"},
    "costs": {"utils"},
    "records": {"costs", "errors"},
    "stats": {"costs", "errors", "records", "utils"},
    "resources": set(),
}
"""What stands at the bottom, and all that each may import."""

FORBIDDEN = [
    ("agents", "bot"),
    ("decision", "agents"),
    ("evolution", "bot"),
    ("features", "perception"),
    ("llm", "agents"),
    ("memory", "agents"),
    ("perception", "bot"),
    ("pipeline", "freqai"),
    ("planning", "bot"),
    ("queries", "bot"),
    ("reflection", "bot"),
    ("reports", "bot"),
    ("store", "memory"),
    ("training", "flow"),
]


def _modules() -> dict[str, Path]:
    names = {}
    for file in ROOT.rglob("*.py"):
        parts = file.relative_to(ROOT).with_suffix("").parts
        names[".".join(("agent_market", *(parts[:-1] if parts[-1] == "__init__" else parts)))] = file
    return names


MODULES = _modules()


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("agent_market."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "agent_market":
            module = str(node.module)
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                yield inner if inner in MODULES else module


def _package(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def _graph() -> dict[str, set[str]]:
    graph: dict[str, set[str]] = defaultdict(set)
    for module, file in MODULES.items():
        for target in _imports(file):
            source, other = _package(module), _package(target)
            if other and source != other:
                graph[source].add(other)
    return dict(graph)


GRAPH = _graph()


def _cycle(graph: Mapping[str, set[str]]) -> list[str] | None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return None


def test_no_cycle_runs_between_packages() -> None:
    assert _cycle({name: needs for name, needs in GRAPH.items() if name}) is None


def test_a_cycle_would_be_found() -> None:
    assert _cycle({**GRAPH, "utils": {"bot"}}) is not None


@pytest.mark.parametrize("package", sorted(GROUND))
def test_the_ground_imports_nothing_above_it(package: str) -> None:
    assert GRAPH.get(package, set()) <= GROUND[package]


@pytest.mark.parametrize(("lower", "upper"), FORBIDDEN)
def test_a_lower_package_does_not_import_an_upper_one(lower: str, upper: str) -> None:
    assert upper not in GRAPH.get(lower, set())
