"""`import agent_market` as a researcher uses it: light, typed names, each documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import agent_market
from tests.helpers.documents import blocks


def test_every_name_is_defined_where_the_list_says() -> None:
    assert sorted(agent_market._HOMES) == sorted(agent_market.__all__)
    for name, home in agent_market._HOMES.items():
        value = getattr(agent_market, name)
        assert value is getattr(importlib.import_module(f"agent_market.{home}"), name)
        assert value.__module__ == f"agent_market.{home}" or home == "config"


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(agent_market.__file__).read_text())
    typed = {
        (str(node.module).removeprefix("agent_market."), alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("agent_market.")
        for alias in node.names
    }
    assert typed == {(home, name) for name, home in agent_market._HOMES.items()}


@pytest.mark.parametrize("name", agent_market.__all__)
def test_every_name_has_a_docstring_of_several_lines(name: str) -> None:
    text = inspect.getdoc(getattr(agent_market, name)) or ""
    assert len(text.splitlines()) >= 3, f"{name}: {text!r}"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = agent_market.nothing


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, agent_market\n"
        "print(sorted(set(sys.modules) & {'numpy', 'pandas', 'torch', 'freqtrade', 'sqlalchemy', 'faiss'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_example_of_the_readme_runs(repository: Path, tmp_path: Path) -> None:
    (example,) = blocks(repository / "README.md", "python")
    done = subprocess.run(
        [sys.executable, "-c", example],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said, shown = done.stdout.strip(), blocks(repository / "README.md", "python output")
    assert said == shown[0].strip()
