"""What people write is shown as they wrote it, whatever it looks like to a parser of options or markup."""

from __future__ import annotations

import ast
import io
from pathlib import Path

import pytest
from typer.testing import CliRunner

import agent_market
from agent_market.agents.prompts.feedback import LONGEST_ENTRY, FeedbackBook
from agent_market.commands import factors, memory
from agent_market.reports.feedback import read_feedback
from agent_market.utils.console import Console

SOURCE = Path(agent_market.__file__).parent


@pytest.mark.parametrize(
    "expression",
    [
        "-1 * ts_return(close, 24)",
        "-ts_rank(close, 24)",
        "-t",
        "-ts_return(close,5)",
        "--1 * ts_return(close, 2)",
    ],
)
def test_an_expression_may_begin_with_a_minus_sign(expression: str) -> None:
    shown = CliRunner().invoke(factors.app, ["explain", expression, "-t", "4h"])
    if expression == "-t":
        assert shown.exit_code != 0
        return
    assert shown.exit_code == 0, shown.output
    assert "ts_" in shown.output


def test_options_stand_before_and_behind_the_expression_and_help_is_help() -> None:
    for args in (["-t", "4h", "-ts_rank(close, 24)"], ["-ts_rank(close, 24)", "--timeframe=4h"]):
        assert CliRunner().invoke(factors.app, ["explain", *args]).exit_code == 0
    wrong = CliRunner().invoke(factors.app, ["explain", "close/open", "--timeframe", "7h"])
    assert "7h" in str(wrong.exception)
    assert "--timeframe" in CliRunner().invoke(factors.app, ["explain", "--help"]).output


def test_a_note_with_markup_and_a_leading_dash_is_shown_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "user_data").mkdir()
    where = ["--userdir", str(tmp_path / "user_data")]
    text = "- [/bold] funding [red] above 0.1% ends rallies"
    taught = CliRunner().invoke(memory.app, ["teach", text, *where])
    assert taught.exit_code == 0, taught.output
    shown = CliRunner().invoke(memory.app, ["show", *where], env={"COLUMNS": "300"})
    assert shown.exit_code == 0, shown.exception
    assert text in shown.output


def test_every_console_is_the_one_that_reads_no_markup() -> None:
    """Most of what is printed holds words of users and models; styles are given as `Text`."""
    loose = []
    for file in SOURCE.rglob("*.py"):
        if file == SOURCE / "utils" / "console.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            is_rich = isinstance(node, ast.ImportFrom) and node.module == "rich.console"
            if is_rich and any(alias.name == "Console" for alias in node.names):
                loose.append(f"{file.name}:{node.lineno} imports Rich's own Console")
            if isinstance(node, ast.keyword) and node.arg == "markup" and node.value.value is not False:
                loose.append(f"{file.name}:{node.value.lineno} switches markup on")
    assert loose == []
    assert Console(file=io.StringIO()).render_str("[bold]x[/]").plain == "[bold]x[/]"


def test_a_line_of_feedback_that_is_too_long_reaches_no_prompt(tmp_path: Path) -> None:
    head = '{"known_at": "2024-03-01T00:00:00Z", "round": 1, "lines": ['
    good = head + '"Agent quant lost."]}'
    long_line = head + '"' + "x" * 600 + '"]}'
    many = head + ", ".join(['"x"'] * 100) + "]}"
    huge = head + '"' + "x" * 3_000_000 + '"]}'
    padded = head + '"short"], "note": "' + "x" * LONGEST_ENTRY + '"}'
    file = tmp_path / "feedback.jsonl"
    file.write_text("\n".join([good, long_line, many, huge, padded]) + "\n")
    assert [entry.lines for entry in FeedbackBook.load(file, 3).entries] == [("Agent quant lost.",)]
    found = read_feedback(tmp_path)
    assert found.good == (good,)
    assert len(found.bad) == 4
