"""The plots, as plotly figures whose colours are CSS variables that the page fills in (light and dark)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from agent_market.records import Episode
from agent_market.reports.comparison import Comparison
from agent_market.reports.scorecards import ALWAYS_LONG, EQUAL, FUSED, RewardPath, agents_in
from agent_market.runs.parts import Part

MOST_POINTS = 4_000

PART_LINES: dict[Part, tuple[str, str, float]] = {
    "agents": ("var(--agents)", "solid", 2.4),
    "equal_weights": ("var(--equal-weights)", "dash", 1.6),
    "quant_only": ("var(--quant-only)", "dot", 1.8),
    "buy_and_hold": ("var(--buy-and-hold)", "dashdot", 1.6),
    "other": ("var(--agent-5)", "longdash", 1.4),
}
KNOWN_AGENTS = {"aggressive": 0, "conservative": 1, "quant": 2, "memory": 3, "judge": 4}
BASELINE_LINES = {
    FUSED: ("var(--text)", "solid"),
    EQUAL: ("var(--equal-weights)", "dash"),
    ALWAYS_LONG: ("var(--buy-and-hold)", "dashdot"),
}


def equity_figure(comparison: Comparison) -> go.Figure:
    """Profit since the start, and the fall from the last high, of every contender."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.66, 0.34], vertical_spacing=0.06)
    for contender in reversed(comparison.contenders):
        colour, dash, width = PART_LINES[contender.part]
        equity = contender.curve.equity
        times = milliseconds(pd.DatetimeIndex(equity.index))
        line = {"color": colour, "dash": dash, "width": width}
        for row, values in ((1, equity / equity.iloc[0] - 1), (2, -contender.curve.drawdown)):
            figure.add_scatter(
                x=times,
                y=values.to_numpy(),
                name=_plain(contender.label),
                legendgroup=contender.label,
                showlegend=row == 1,
                line=line,
                hovertemplate="%{y:.1%}",
                row=row,
                col=1,
            )
    # As many digits as the ticks need: of a quiet span every one of them would read 0%.
    figure.update_yaxes(tickformat="~%", zeroline=True)
    figure.update_yaxes(title_text="profit", row=1)
    figure.update_yaxes(title_text="drawdown", row=2)
    figure.update_xaxes(type="date")
    figure.update_layout(height=520, legend_traceorder="reversed")
    return figure


def pair_figure(candles: pd.DataFrame | None, episodes: Sequence[Episode], timeframe_s: int) -> go.Figure:
    """One pair: its price, the depth decided on (before and after risk), and the weights of the agents."""
    figure = make_subplots(
        rows=3, cols=1, shared_xaxes=True, row_heights=[0.4, 0.26, 0.34], vertical_spacing=0.04
    )
    if candles is not None:
        shown = candles.iloc[:: max(1, -(-len(candles) // MOST_POINTS))]
        figure.add_scatter(
            x=milliseconds(pd.DatetimeIndex(shown["date"])) + timeframe_s * 1000.0,
            y=shown["close"].to_numpy(dtype=float),
            name="close",
            showlegend=False,
            line={"color": "var(--buy-and-hold)", "width": 1.2},
            hovertemplate="%{y:,.6~g}",
            row=1,
            col=1,
        )
    _add_depth(figure, episodes)
    _add_weights(figure, episodes)
    figure.update_yaxes(title_text="price", type="log", row=1)
    figure.update_yaxes(title_text="depth", range=[-10.5, 10.5], zeroline=True, row=2)
    figure.update_yaxes(title_text="weight", range=[0, 1], tickformat=".0%", row=3)
    figure.update_xaxes(type="date")
    figure.update_layout(height=640)
    return figure


def rewards_figure(paths: Sequence[RewardPath], weighing: str) -> go.Figure:
    """Cumulative reward of each agent, and of the references (thick, dashed).

    :param weighing: who weighed the agents in the fused decision.
    """
    figure = go.Figure()
    agents = [path.name for path in paths if not path.is_baseline]
    for path in paths:
        if path.is_baseline:
            colour, dash = BASELINE_LINES[path.name]
            line = {"color": colour, "dash": dash, "width": 2.4}
        else:
            line = {"color": agent_colour(path.name, agents), "width": 1.6}
        figure.add_scatter(
            x=path.known_at_s * 1000.0,
            y=path.total,
            name=_plain(f"{FUSED} ({weighing})" if path.name == FUSED else path.name),
            line={**line, "shape": "hv"},
            hovertemplate="%{y:.2f}",
        )
    figure.update_yaxes(title_text="sum of rewards", zeroline=True)
    figure.update_xaxes(type="date")
    figure.update_layout(height=380)
    return figure


def agent_colour(agent: str, agents: Sequence[str]) -> str:
    """The same colour for the same agent in every plot, here and in FreqUI; added agents follow in order."""
    if agent in KNOWN_AGENTS:
        return f"var(--agent-{KNOWN_AGENTS[agent]})"
    added = [name for name in agents if name not in KNOWN_AGENTS]
    return f"var(--agent-{len(KNOWN_AGENTS) + added.index(agent) % 3})"


def milliseconds(times: pd.DatetimeIndex) -> np.ndarray:
    """Times as floats of milliseconds since the epoch: what plotly packs tightest on a date axis."""
    return times.as_unit("ms").asi8.astype(float)


def _add_depth(figure: go.Figure, episodes: Sequence[Episode]) -> None:
    times = np.array([e.view.asof.timestamp() * 1000 for e in episodes])
    wanted = np.array([e.decision.depth for e in episodes])
    allowed = np.array([e.verdict.depth for e in episodes])
    figure.add_scatter(
        x=times,
        y=wanted,
        name="depth before risk",
        line={"color": "var(--muted)", "width": 1, "dash": "dot", "shape": "hv"},
        hovertemplate="%{y:.1f}",
        row=2,
        col=1,
    )
    figure.add_scatter(
        x=times,
        y=allowed,
        name="depth after risk",
        line={"color": "var(--agents)", "width": 1.4, "shape": "hv"},
        fill="tozeroy",
        fillcolor="var(--agents-fill)",
        hovertemplate="%{y:.1f}",
        row=2,
        col=1,
    )


def _add_weights(figure: go.Figure, episodes: Sequence[Episode]) -> None:
    times = np.array([e.view.asof.timestamp() * 1000 for e in episodes])
    agents = agents_in(episodes)
    for agent in agents:
        colour = agent_colour(agent, agents)
        figure.add_scatter(
            x=times,
            y=np.array([e.decision.weights.get(agent, 0.0) for e in episodes]),
            name=_plain(agent),
            stackgroup="weights",
            line={"color": colour, "width": 0.5, "shape": "hv"},
            fillcolor=colour,
            hovertemplate="%{y:.0%}",
            row=3,
            col=1,
        )


def _plain(name: str) -> str:
    """Escape a name, since plotly interprets some HTML in names."""
    return name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
