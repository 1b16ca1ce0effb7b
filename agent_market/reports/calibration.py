"""Calibration scores and reliability curves of every agent and of the fused decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from agent_market.config import CalibrationSettings
from agent_market.decision.calibration import (
    Bin,
    brier_score,
    expected_calibration_error,
    forecasts,
    reliability,
)
from agent_market.records import Episode
from agent_market.reports.figures import agent_colour
from agent_market.reports.scorecards import agents_in

FUSED = "fused decision"


@dataclass(frozen=True, slots=True)
class CalibrationRow:
    """One forecaster over the whole run, as stated: `curve` has a row a bin that is not empty.

    `error` is the expected calibration error, `earned` whether it is within the setting's limit.
    """

    name: str
    count: int
    confidence: float
    hit_rate: float
    brier: float
    error: float
    earned: bool
    curve: tuple[Bin, ...]


def calibration_rows(
    episodes: Sequence[Episode], settings: CalibrationSettings
) -> tuple[CalibrationRow, ...]:
    """Every agent with a side and a known outcome, in the role table's order, then the fused decision."""
    named: list[tuple[str, str | None]] = [(agent, agent) for agent in agents_in(episodes)]
    rows = [_row(name, agent, episodes, settings) for name, agent in [*named, (FUSED, None)]]
    return tuple(row for row in rows if row is not None)


def reliability_figure(rows: Sequence[CalibrationRow]) -> go.Figure:
    """Plot hit rate against stated confidence, with 95% intervals; the diagonal is perfect calibration."""
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        name="earned",
        mode="lines",
        line={"color": "var(--muted)", "dash": "dot", "width": 1.2},
        hoverinfo="skip",
    )
    agents = [row.name for row in rows if row.name != FUSED]
    for row in rows:
        fused = row.name == FUSED
        colour = "var(--text)" if fused else agent_colour(row.name, agents)
        figure.add_scatter(
            x=[b.confidence for b in row.curve],
            y=[b.hit_rate for b in row.curve],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [b.high - b.hit_rate for b in row.curve],
                "arrayminus": [b.hit_rate - b.low for b in row.curve],
                "thickness": 1,
                "width": 2,
            },
            customdata=[b.count for b in row.curve],
            name=row.name,
            mode="lines+markers",
            line={"color": colour, "width": 2.4 if fused else 1.6, "dash": "dash" if fused else "solid"},
            hovertemplate="stated %{x:.0%}, right %{y:.0%} of %{customdata:,}",
        )
    figure.update_xaxes(title_text="confidence", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(title_text="right", tickformat=".0%", range=[0, 1])
    figure.update_layout(height=380)
    return figure


def _row(
    name: str, agent: str | None, episodes: Sequence[Episode], settings: CalibrationSettings
) -> CalibrationRow | None:
    stated = forecasts(episodes, agent)
    if not stated:
        return None
    confidence, hit = [f.confidence for f in stated], [f.hit for f in stated]
    error = expected_calibration_error(confidence, hit, settings.bins)
    return CalibrationRow(
        name=name,
        count=len(stated),
        confidence=sum(confidence) / len(stated),
        hit_rate=sum(hit) / len(stated),
        brier=brier_score(confidence, hit),
        error=error,
        earned=error <= settings.largest_error,
        curve=reliability(confidence, hit, settings.bins),
    )
