"""The agents' lead over each contender, as a table cell: text and a bar with its interval."""

from __future__ import annotations

from dataclasses import dataclass

from agent_market.reports import text
from agent_market.reports.comparison import Comparison, Contender


@dataclass(frozen=True, slots=True)
class Lead:
    """The agents' lead over a contender, as text and as a bar: positions in per cent of the cell's width."""

    text: str
    finding: str
    left: float | None = None
    width: float | None = None
    middle: float | None = None


def lead_of(comparison: Comparison, contender: Contender) -> Lead | None:
    """The lead over one contender; None for the agents themselves, and where it could not be measured."""
    difference = comparison.difference_to(contender.part) if contender.part != "agents" else None
    if difference is None:
        return None
    interval = difference.interval
    low, high = interval.low, interval.high
    if low is None or high is None:
        return Lead(f"{text.basis_points(interval.mean)}, no interval", difference.finding)
    widest = max(
        (abs(v) for d in comparison.differences for v in (d.interval.low, d.interval.high) if v is not None),
        default=0.0,
    )
    words = f"{text.basis_points(interval.mean)} [{text.in_basis_points(low)}, {text.in_basis_points(high)}]"
    if widest == 0:
        return Lead(words, difference.finding)

    def place(value: float) -> float:
        return round(50 + 48 * value / widest, 2)

    return Lead(
        words, difference.finding, place(low), max(place(high) - place(low), 0.5), place(interval.mean)
    )
