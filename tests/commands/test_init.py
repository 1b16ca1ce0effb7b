"""`agent-market init` brings our files and never takes a trader's own away."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent_market.cli import app
from agent_market.commands import init as init_command

STRATEGY = Path("strategies/AgentMarketStrategy.py")
MINE = b"# tuned by hand\n"


@pytest.fixture
def userdir(tmp_path: Path) -> Path:
    folder = tmp_path / "user_data"
    folder.mkdir()
    return folder


def run(userdir: Path, *options: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(app, ["init", "--userdir", str(userdir), *options], input=answer)


def test_templates_are_the_files_of_the_repository(repository: Path) -> None:
    sources = {
        "strategies": repository / "user_data" / "strategies",
        "freqaimodels": repository / "user_data" / "freqaimodels",
        "agent_market/config": repository / "config",
    }
    offered = {t.target: t.content for t in init_command.templates()}
    wanted = {
        Path(target) / file.name: file.read_bytes()
        for target, folder in sources.items()
        for file in folder.glob("*.json" if target.endswith("config") else "*.py")
    }
    assert offered == wanted
    assert STRATEGY in offered
    assert Path("freqaimodels/AgentEnsemble.py") in offered
    assert Path("agent_market/config/dryrun.json") in offered


def test_an_empty_user_data_gets_every_file(userdir: Path) -> None:
    assert run(userdir).exit_code == 0
    for template in init_command.templates():
        assert template.state(userdir) == "current"


def test_a_second_run_changes_nothing(userdir: Path) -> None:
    run(userdir)
    before = {f: f.stat().st_mtime_ns for f in userdir.rglob("*")}
    result = run(userdir)
    assert {f: f.stat().st_mtime_ns for f in userdir.rglob("*")} == before
    assert f"{STRATEGY}: up to date" in result.output


def test_without_a_terminal_a_changed_file_is_kept_and_the_difference_shown(userdir: Path) -> None:
    run(userdir)
    (userdir / STRATEGY).write_bytes(MINE)
    result = run(userdir)
    assert result.exit_code == 0
    assert (userdir / STRATEGY).read_bytes() == MINE
    assert f"{STRATEGY}: kept as it was" in result.output
    assert "-# tuned by hand" in result.output
    assert "--yes" in result.output


@pytest.mark.parametrize(("answer", "replaced"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_at_a_terminal_it_asks(
    userdir: Path, monkeypatch: pytest.MonkeyPatch, answer: str, replaced: bool
) -> None:
    run(userdir)
    (userdir / STRATEGY).write_bytes(MINE)
    monkeypatch.setattr(init_command, "at_terminal", lambda: True)
    result = run(userdir, answer=answer)
    assert result.exit_code == 0, result.output
    assert ((userdir / STRATEGY).read_bytes() != MINE) is replaced
    assert (userdir / f"{STRATEGY}.bak-1").exists() is replaced


def test_yes_replaces_and_keeps_every_earlier_version(userdir: Path) -> None:
    run(userdir)
    for number, text in enumerate((MINE, b"# tuned again\n"), start=1):
        (userdir / STRATEGY).write_bytes(text)
        result = run(userdir, "--yes")
        assert f"yours is kept as {STRATEGY.name}.bak-{number}" in result.output
    assert (userdir / f"{STRATEGY}.bak-1").read_bytes() == MINE
    assert (userdir / f"{STRATEGY}.bak-2").read_bytes() == b"# tuned again\n"
    assert all(t.state(userdir) == "current" for t in init_command.templates())


def test_a_backup_is_no_strategy_for_freqtrade(userdir: Path) -> None:
    run(userdir)
    (userdir / STRATEGY).write_bytes(MINE)
    run(userdir, "--force")
    (backup,) = (userdir / "strategies").glob("*.bak-*")
    assert backup.suffix != ".py"


def test_nothing_else_in_user_data_is_touched(userdir: Path) -> None:
    own = userdir / "strategies" / "MyStrategy.py"
    own.parent.mkdir()
    own.write_bytes(MINE)
    run(userdir, "--yes")
    assert own.read_bytes() == MINE
    assert not list(userdir.rglob("*.part"))
