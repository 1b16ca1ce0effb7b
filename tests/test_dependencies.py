"""Every package that the code imports is one that pip installs with us."""

from __future__ import annotations

import ast
import importlib.metadata as metadata
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
OPTIONAL = {"mlflow", "pytest"}
"""mlflow is imported only where a setting names it (docs/reference/dependencies.md), pytest only by our
fixtures."""


def imported(folder: str) -> set[str]:
    """Top-level names of all imports under a folder, wherever they stand."""
    found: set[str] = set()
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    own = {path.stem for path in (ROOT / folder).rglob("*.py")} | {"agent_market", "tests"}
    return found - set(sys.stdlib_module_names) - own


def installed_with(extra: str) -> set[str]:
    """Distributions that `pip install agent-market[extra]` brings, with all that they need themselves."""
    seen: set[tuple[str, str]] = set()
    queue = [("agent-market", extra)]
    while queue:
        name, asked = queue.pop()
        if (name, asked) in seen:
            continue
        seen.add((name, asked))
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for line in needs:
            need = Requirement(line)
            if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in ("", asked)):
                queue += [(canonicalize_name(need.name), e) for e in ("", *need.extras)]
    return {name for name, _ in seen}


@pytest.mark.parametrize(("folder", "extra"), [("agent_market", "all"), ("tests", "dev")])
def test_what_is_imported_is_installed(folder: str, extra: str) -> None:
    homes = metadata.packages_distributions()
    brought = installed_with(extra)
    strangers = {
        name
        for name in imported(folder) - OPTIONAL
        if not {canonicalize_name(home) for home in homes.get(name, ())} & brought
    }
    assert not strangers, f"imported under {folder}/, not in pyproject.toml's {extra}: {sorted(strangers)}"
