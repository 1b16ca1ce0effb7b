"""The table on a terminal: one line a claim."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from agent_market.stress.suite import Report
from agent_market.utils.console import Console

HELD = {True: Text("yes", style="green"), False: Text("NO", style="bold red")}
WIDTH = 150


def stress_console() -> Console:
    """A console that is wide enough for the table also where no terminal says how wide it is."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def stress_table(report: Report) -> Table:
    """Scenario, what must hold, what was measured, and whether it held."""
    table = Table(title="STRESS SUITE", title_style="bold", pad_edge=False, show_lines=False)
    table.add_column("Scenario", no_wrap=True)
    table.add_column("What must hold", ratio=5)
    table.add_column("What was measured", ratio=4)
    table.add_column("Held?", no_wrap=True)
    for finding in report.findings:
        for number, row in enumerate(finding.rows):
            name = Text(finding.name if number == 0 else "")
            if number == 0:
                name.append(f"\n{finding.seconds:.0f} s", "dim")
            table.add_row(name, row.must, row.measured, HELD[row.held])
        table.add_section()
    return table


def verdict(report: Report) -> Text:
    """The last line."""
    rows = [row for finding in report.findings for row in finding.rows]
    held = sum(row.held for row in rows)
    text = f"{held} of {len(rows)} claims held, {len(report.findings)} scenarios in {report.seconds:.0f} s"
    return Text(text, style="bold green" if held == len(rows) else "bold red")
