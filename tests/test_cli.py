"""The command line as a whole: quick help, one red line for an error, a traceback for a bug."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from rich.text import Text
from typer.testing import CliRunner

from agent_market import __version__, cli
from agent_market.errors import ConfigError

HEAVY = ("pandas", "numpy", "freqtrade", "lightgbm", "faiss", "openai", "sqlalchemy", "fastapi", "plotly")


def _agent_market(*args: str) -> subprocess.CompletedProcess[str]:
    code = "from agent_market.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, check=False, timeout=60
    )


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(cli.app, ["--help"])
    assert result.exit_code == 0
    assert {"docs", "doctor", "init"} <= set(cli.command_names())
    for name in cli.command_names():
        assert f" {name} " in result.output


@pytest.mark.parametrize("name", cli.command_names())
def test_every_command_has_a_help_page(name: str) -> None:
    result = CliRunner().invoke(cli.app, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage" in result.output


def test_no_help_has_brackets_that_rich_takes_for_markup() -> None:
    shown = []
    waiting = [typer.main.get_command(cli.app)]
    while waiting:
        command = waiting.pop()
        waiting += getattr(command, "commands", {}).values()
        shown += [getattr(parameter, "help", None) or "" for parameter in command.params]
    assert len(shown) > 50
    assert [text for text in shown if Text.from_markup(text).plain != text] == []


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from agent_market.cli import main\n"
        "try: main()\n"
        f"finally: print(sorted(set(sys.modules) & set({HEAVY!r})), file=sys.stderr)"
    )
    child = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=False, timeout=60
    )
    assert child.returncode == 0
    assert child.stderr.strip() == "[]"


def test_version_is_shown() -> None:
    child = _agent_market("--version")
    assert child.stdout.strip() == f"agent-market {__version__}"


def test_our_error_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    child = _agent_market("init", "--userdir", str(tmp_path / "absent"))
    assert child.returncode == 2
    assert child.stdout == ""
    (line,) = child.stderr.splitlines()
    assert line.startswith("Error: no directory --userdir")
    assert "create-userdir" in line


def test_a_message_is_never_taken_for_markup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise ConfigError("bad value [bold]x[/bold] in [red]")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "Error: bad value [bold]x[/bold] in [red]\n"


def test_a_bug_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(KeyError, match="a bug"):
        cli.main()
