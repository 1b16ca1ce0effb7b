"""Products of a round's backtest: the summary, the feedback for the next round, and the report."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.text import Text

from agent_market.flow.files import copy_atomically
from agent_market.flow.fingerprints import code_of, versions_of
from agent_market.flow.steps.backtest import RESULT, newest_result
from agent_market.flow.steps.base import Context, Say, Step
from agent_market.reports.backtest_result import load_freqtrade_table
from agent_market.reports.console import print_comparison
from agent_market.reports.content import ReportContent
from agent_market.reports.feedback import (
    SUMMARY_FILE,
    RoundEntry,
    append_feedback,
    feedback_lines,
    known_at,
    summary,
)
from agent_market.reports.html import write_report
from agent_market.reports.load import gather
from agent_market.utils.console import Console
from agent_market.utils.durable import replace_text

SUMMARY = "summary.json"
TABLES = "tables.txt"
LINES = "feedback.json"
REPORT = "report.html"
TABLE_WIDTH = 132
MEASURING = ("reports", "outcomes", "costs", "decision/calibration", "stats", "candles", "flow/steps")


class _Measures(Step):
    """A step that only reads the finished backtest."""

    needs: tuple[str, ...] = ("download", "backtest")

    def inputs(self, at: Context) -> Mapping[str, Any]:
        return {
            "flow": at.plan.scope,
            "code": code_of(*MEASURING),
            "packages": versions_of("freqtrade", "arch", "plotly"),
        }

    def content(self, at: Context) -> ReportContent:
        """Load the report content of the round from its result and the store."""
        result = newest_result(at.made_by("backtest") / RESULT)
        assert result is not None, "a backtest without result is stale"
        return gather(result, at.plan.settings.userdir, at.plan.datadir)


class Summary(_Measures):
    """The round as JSON for programs, also written to `llm_feedback/latest_backtest_summary.json`; and as
    text tables for people."""

    name = "summary"
    products = (SUMMARY, TABLES)

    def make(self, at: Context, folder: Path, say: Say) -> None:
        content = self.content(at)
        packed = json.dumps(summary(content, at.plan.scope, at.number), indent=2, allow_nan=False)
        replace_text(folder / SUMMARY, packed + "\n")
        replace_text(folder / TABLES, _tables(content))
        outcome = json.loads((at.made_by("backtest") / "outcome.json").read_text(encoding="utf-8"))
        decisions = outcome["decisions"]
        say(f"{decisions['count']} decisions, sha256 {decisions['sha256'][:16]}")

    def publish(self, at: Context, folder: Path, warn: Say) -> None:
        copy_atomically(folder / SUMMARY, at.plan.feedback_folder / SUMMARY_FILE)

    def figures(self, folder: Path) -> Mapping[str, Any]:
        values = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        agents = next((c for c in values["contenders"] if c["part"] == "agents"), None)
        hold = next((c for c in values["contenders"] if c["part"] == "buy_and_hold"), None)
        quant = next((c for c in values["contenders"] if c["part"] == "quant_only"), None)
        found: dict[str, Any] = {"traded": f"{values['span']['start'][:10]} to {values['span']['end'][:10]}"}
        if agents is not None:
            found |= {key: agents[key] for key in ("total_return", "sharpe", "max_drawdown", "trades")}
        found |= {"quant_only": quant["total_return"]} if quant is not None else {}
        return found | ({"buy_and_hold": hold["total_return"]} if hold is not None else {})


class Feedback(_Measures):
    """One entry of `llm_feedback/feedback.jsonl`, for the prompts of later rounds."""

    name = "feedback"
    products = (LINES,)

    def make(self, at: Context, folder: Path, say: Say) -> None:
        content = self.content(at)
        lines = feedback_lines(content)
        entry = RoundEntry(known_at(content), at.number, lines, at.plan.scope)
        replace_text(folder / LINES, entry.to_json() + "\n")
        say(f"{len(lines)} lines for the rounds to come")

    def publish(self, at: Context, folder: Path, warn: Say) -> None:
        line = (folder / LINES).read_text(encoding="utf-8").strip()
        for moved in append_feedback(at.plan.feedback_folder, line):
            warn(moved)


class Report(_Measures):
    """The round as one HTML page, without the time of writing, so that equal rounds give equal pages."""

    name = "report"
    products = (REPORT,)

    def make(self, at: Context, folder: Path, say: Say) -> None:
        content = self.content(at)
        named = replace(content.run, path=Path(f"round-{at.number}"))
        write_report(replace(content, run=named, written_at=None), folder / REPORT)
        say("written")


def _tables(content: ReportContent) -> str:
    """freqtrade's own table and the comparison, as plain text of fixed width."""
    console = Console(file=io.StringIO(), width=TABLE_WIDTH, color_system=None, markup=False)
    console.print(Text(load_freqtrade_table(content.run.path)), soft_wrap=True)
    print_comparison(console, content.comparison, content.warnings)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
