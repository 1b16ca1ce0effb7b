"""The operator reference of `docs/concepts/factors.md`, written from the registry."""

from __future__ import annotations

from itertools import groupby

from agent_market.errors import DataError
from agent_market.factors.operators import OPERATORS

START = "<!-- operators: written by `agent-market factors docs` from agent_market/factors/operators.py -->"
END = "<!-- end of operators -->"


def operator_tables() -> str:
    """One Markdown table a group of operators."""
    parts = []
    for group, members in groupby(OPERATORS.values(), key=lambda operator: operator.group):
        rows = [f"### {group.capitalize()}", "", "| operator | meaning | NaN where |", "|---|---|---|"]
        rows += [f"| `{o.signature}` | {_cell(o.meaning)} | {_cell(o.nan)} |" for o in members]
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def with_tables(page: str) -> str:
    """Return the page with the tables between its two markers regenerated.

    :raises DataError: a marker is missing.
    """
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise DataError(
            f"the page lacks the marker {END if start else START!r}; put both where the tables go"
        )
    return f"{before}{START}\n\n{operator_tables()}\n\n{END}{after}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
