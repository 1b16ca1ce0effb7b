"""The comparison on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from agent_market.reports.comparison import Comparison, Contender
from agent_market.reports.knowledge import KnowledgeSplit, lead_in_words
from agent_market.reports.text import UNKNOWN, in_basis_points, number, percent, signed, signed_percent
from agent_market.stats.uncertainty import MIN_DAYS
from agent_market.utils.console import Console

FINDING_STYLE = {"beats": "green", "loses": "red"}


LOG_WIDTH = 132
"""Width in columns without a terminal."""

SPARED = ("Sortino", "In mkt", "Models", "Costs", "Month", "CAGR", "Won")
"""Columns to drop on a narrow terminal, in this order."""


def report_console() -> Console:
    """Return a console wide enough for the table, also without a terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=LOG_WIDTH)


def comparison_table(comparison: Comparison, left_out: Sequence[str] = ()) -> Table:
    """One line a contender; the last column is the agents' lead over it in basis points a day."""
    table = Table(title="AGENTS AND BASELINES, AFTER COSTS", title_style="bold", pad_edge=False)
    table.add_column("", no_wrap=True)
    columns = {name: cell for name, cell in _columns(comparison).items() if name not in left_out}
    for heading in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for contender in comparison.contenders:
        table.add_row(contender.label, *(cell(contender) for cell in columns.values()))
    return table


def verdict_lines(comparison: Comparison) -> Group:
    """The sentences of the verdict and what is missing, the headline in bold."""
    headline, *rest = comparison.verdict
    lines = [Text(headline, style="bold"), *(Text(f"  {line}") for line in rest)]
    lines += [Text(f"  {line}", style="yellow") for line in comparison.missing]
    return Group(*lines)


def print_comparison(console: Console, comparison: Comparison, warnings: tuple[str, ...]) -> None:
    """Print table, verdict, and the warnings about the run's market and model."""
    console.print(_fitting_table(console, comparison))
    console.print(verdict_lines(comparison))
    for warning in warnings:
        console.print(Text(warning, style="bold yellow"))


def print_knowledge(console: Console, split: KnowledgeSplit) -> None:
    """What the models may have known, and the results on each side of their cutoff."""
    if split.eras:
        table = Table(title="BEFORE AND AFTER THE KNOWLEDGE CUTOFF", title_style="bold", pad_edge=False)
        for heading in ("", " ", "Days", "Profit", "Sharpe", "Agents ahead, bp/day", "Decisions", "Right"):
            table.add_column(heading, justify="right" if heading.strip() else "left", no_wrap=True)
        for era in split.eras:
            whole = (str(era.days), f"{era.decisions:,}", percent(era.hit_rate, 0))
            for place, result in enumerate(era.results):
                days, decisions, right = whole if place == 0 else ("", "", "")
                figures = (signed_percent(result.total_return), number(result.sharpe))
                lead = lead_in_words(result.lead)
                name = era.name if place == 0 else ""
                table.add_row(name, result.label, days, *figures, lead, decisions, right)
            table.add_section()
        console.print(table)
    console.print(Text(split.statement))


def _fitting_table(console: Console, comparison: Comparison) -> Table:
    """The table with as many columns as fit: a figure that is cut off looks like another one."""
    unbounded = console.options.update(width=sys.maxsize)
    for count in range(len(SPARED)):
        table = comparison_table(comparison, SPARED[:count])
        if console.measure(table, options=unbounded).maximum <= console.width:
            return table
    return comparison_table(comparison, SPARED)


def _columns(comparison: Comparison) -> dict[str, Callable[[Contender], str | Text]]:
    has_year = any(c.performance.cagr is not None for c in comparison.contenders)
    growth: dict[str, Callable[[Contender], str | Text]] = (
        {"CAGR": lambda c: signed_percent(c.performance.cagr)}
        if has_year
        else {"Month": lambda c: signed_percent(c.performance.monthly)}
    )
    return {
        "Profit": lambda c: signed_percent(c.performance.total_return),
        **growth,
        "Sharpe": lambda c: number(c.performance.sharpe),
        "Max DD": lambda c: percent(c.performance.max_drawdown),
        "Trades": lambda c: str(c.trades),
        "Won": lambda c: percent(c.win_rate, 0),
        "Costs": lambda c: number(c.costs, 1),
        "Models": lambda c: number(c.model_costs, 1),
        "In mkt": lambda c: percent(c.exposure, 0),
        "Sortino": lambda c: number(c.performance.sortino),
        "Agents ahead, bp/day": lambda c: _lead(comparison, c),
    }


def _lead(comparison: Comparison, contender: Contender) -> str | Text:
    difference = comparison.difference_to(contender.part) if contender.part != "agents" else None
    if difference is None:
        return UNKNOWN
    interval = difference.interval
    mean = signed(in_basis_points(interval.mean))
    if interval.low is None or interval.high is None:
        return f"{mean} (n<{MIN_DAYS})"
    text = f"{mean} [{in_basis_points(interval.low)}, {in_basis_points(interval.high)}]"
    style = FINDING_STYLE.get(difference.finding)
    return Text(text, style=style) if style else text
