"""The table of rounds: mined factors, trades and trials of each round."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.table import Table

from agent_market.reports.text import UNKNOWN, number, percent, signed_percent

_COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "round": ("", str),
    "traded": ("Traded", lambda v: f"{v[:10]} to {v[-5:]}"),
    "pool": ("Pool", str),
    "joint_in": ("IC in", lambda v: number(v, 3)),
    "joint_out": ("IC out", lambda v: number(v, 3)),
    "trials": ("Trials", lambda v: f"{v:,}"),
    "promoted": ("Proven", lambda v: "yes" if v else "no"),
    "trained_ic": ("Trained IC", lambda v: number(v, 3)),
    "policy": ("Policy", signed_percent),
    "total_return": ("Agents", signed_percent),
    "quant_only": ("Model", signed_percent),
    "buy_and_hold": ("Hold", signed_percent),
    "sharpe": ("Sharpe", number),
    "max_drawdown": ("DD", percent),
    "trades": ("Trades", str),
}


def round_table(rounds: Sequence[Mapping[str, Any]]) -> Table:
    """Return one line per round; columns without any value are left out.

    "IC in" and "IC out" are the joint rank IC of the pool on the span that was searched and on the later one.
    """
    table = Table(
        title="ROUND BY ROUND, AFTER COSTS", title_style="bold", pad_edge=False, collapse_padding=True
    )
    shown = [key for key in _COLUMNS if any(key in row for row in rounds)]
    for key in shown:
        table.add_column(_COLUMNS[key][0], justify="left" if key == "traded" else "right", no_wrap=True)
    for row in rounds:
        table.add_row(*(_cell(key, row.get(key)) for key in shown))
    return table


def _cell(key: str, value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return UNKNOWN
    return _COLUMNS[key][1](value)
