"""The commands in README.md and docs/ work as they stand, and every link leads to a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.helpers.documents import blocks, commands, run

OURS = ("AgentMarketStrategy", "AgentMarketEqualWeights", "AgentMarketQuantOnly", "AgentEnsemble")


def test_every_console_block_has_commands(repository: Path) -> None:
    found = blocks(repository / "README.md", "console", "console slow")
    assert len(found) >= 5
    assert all(commands(body) for body in found)


def test_the_make_targets_exist(repository: Path) -> None:
    makefile = (repository / "Makefile").read_text()
    named = set(re.findall(r"\bmake ([a-z-]+)`?", (repository / "README.md").read_text()))
    assert {"demo", "test"} <= named
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in named)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/index.md", "config/README.md"])
def test_every_link_leads_to_a_file(name: str, repository: Path) -> None:
    document = repository / name
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), f"{name} links to {target}"


def test_every_dependency_has_a_row_with_its_reason(repository: Path) -> None:
    table = (repository / "docs" / "reference" / "dependencies.md").read_text()
    declared = re.findall(
        r'^    "([A-Za-z0-9_-]+)(?:\[[a-z,]+\])?[><=",]', _requirements(repository), re.MULTILINE
    )
    assert len(declared) > 15
    missing = [name for name in declared if name != "agent-market" and name.lower() not in table.lower()]
    assert not missing, f"docs/reference/dependencies.md says nothing about {missing}"


def _requirements(repository: Path) -> str:
    text = (repository / "pyproject.toml").read_text()
    return text[text.index("dependencies = [") : text.index("[project.scripts]")]


def test_the_quick_commands_of_the_tour_work(repository: Path, tmp_path: Path) -> None:
    said = ""
    for body in blocks(repository / "README.md", "console"):
        said += run("\n".join(commands(body)), tmp_path, timeout_s=120)
    for name in OURS:
        listed = [line for line in said.splitlines() if f"{name}.py" in line and "OK" in line]
        assert listed, f"freqtrade lists no {name} that loads:\n{said[-4000:]}"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_whole_tour_works(repository: Path, tmp_path: Path) -> None:
    script = "\n".join(
        command
        for body in blocks(repository / "README.md", "console", "console slow")
        for command in commands(body)
    )
    said = run(script, tmp_path, timeout_s=1500)
    assert "BACKTESTING REPORT" in said
    assert "Best result" in said
    assert list((tmp_path / "user_data").rglob("*.html"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_main_job_on_real_candles_works(repository: Path, tmp_path: Path, test_data: Path) -> None:
    script = "\n".join(blocks(repository / "docs" / "tutorials" / "real-data.md", "sh"))
    said = run(script, tmp_path, timeout_s=1700, DATA=str(test_data))
    assert said.count("BACKTESTING REPORT") >= 4
    assert all(name in said for name in OURS[:3])
    assert list((tmp_path / "user_data").rglob("*.html"))
