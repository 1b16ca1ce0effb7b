"""The comparison on a terminal."""

from __future__ import annotations

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from agent_market.reports.comparison import Comparison, Contender
from agent_market.reports.text import UNKNOWN, number, percent, signed, signed_percent
from agent_market.reports.uncertainty import MIN_DAYS

FINDING_STYLE = {"beats": "green", "loses": "red"}


def comparison_table(comparison: Comparison) -> Table:
    """One line a contender; the last column is the agents' lead over it in basis points a day."""
    has_year = any(c.performance.cagr is not None for c in comparison.contenders)
    table = Table(title="AGENTS AND BASELINES, AFTER COSTS", title_style="bold", pad_edge=False)
    table.add_column("", no_wrap=True)
    growth = "CAGR" if has_year else "Month"
    measures = ("Profit", growth, "Sharpe", "Sortino", "Max DD", "Trades", "Won", "Costs", "In mkt")
    for heading in (*measures, "Agents ahead, bp/day"):
        table.add_column(heading, justify="right", no_wrap=True)
    for contender in comparison.contenders:
        table.add_row(*_cells(comparison, contender, has_year))
    return table


def verdict_lines(comparison: Comparison) -> Group:
    """The sentences of the verdict and what is missing, the headline in bold."""
    headline, *rest = comparison.verdict
    lines = [Text(headline, style="bold"), *(Text(f"  {line}") for line in rest)]
    lines += [Text(f"  {line}", style="yellow") for line in comparison.missing]
    return Group(*lines)


def print_comparison(console: Console, comparison: Comparison, warnings: tuple[str, ...]) -> None:
    """Table, verdict, and what must be known about the run's market and model."""
    console.print(comparison_table(comparison))
    console.print(verdict_lines(comparison))
    for warning in warnings:
        console.print(Text(warning, style="bold yellow"))


def _cells(comparison: Comparison, contender: Contender, has_year: bool) -> tuple[str, ...]:
    done = contender.performance
    return (
        escape(contender.label),
        signed_percent(done.total_return),
        signed_percent(done.cagr if has_year else done.monthly),
        number(done.sharpe),
        number(done.sortino),
        percent(done.max_drawdown),
        str(contender.trades),
        percent(contender.win_rate, 0),
        number(contender.costs, 1),
        percent(contender.exposure, 0),
        _lead(comparison, contender),
    )


def _lead(comparison: Comparison, contender: Contender) -> str:
    difference = comparison.difference_to(contender.part) if contender.part != "agents" else None
    if difference is None:
        return UNKNOWN
    interval = difference.interval
    mean = signed(number(interval.mean * 1e4, 1))
    if interval.low is None or interval.high is None:
        return f"{mean} (n<{MIN_DAYS})"
    text = f"{mean} [{number(interval.low * 1e4, 1)}, {number(interval.high * 1e4, 1)}]"
    style = FINDING_STYLE.get(difference.finding)
    return f"[{style}]{escape(text)}[/]" if style else escape(text)
