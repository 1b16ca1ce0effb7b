"""The report's figures as JSON values for the page's script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from freqtrade.exchange import timeframe_to_seconds

from agent_market.config import DecisionSettings
from agent_market.records import Episode
from agent_market.reports import figures
from agent_market.reports.calibration import CalibrationRow, reliability_figure
from agent_market.reports.content import ReportContent
from agent_market.reports.scorecards import reward_paths
from agent_market.reports.weighting_label import weighing


def figures_of(content: ReportContent, calibration: tuple[CalibrationRow, ...]) -> dict[str, Any]:
    """Equity, reliability, and by pair candles with depths and rewards ("" = all pairs together)."""
    first = content.run.first
    seconds = timeframe_to_seconds(first.timeframe)
    by_pair = {pair: [e for e in content.episodes if e.view.pair == pair] for pair in first.pairs}
    decision = content.settings.decision
    return {
        "equity": _plain(figures.equity_figure(content.comparison)),
        "reliability": _plain(reliability_figure(calibration)),
        "pairs": {
            pair: _plain(figures.pair_figure(content.candles.get(pair), episodes, seconds))
            for pair, episodes in by_pair.items()
        },
        "rewards": {
            "": _rewards(content.episodes, decision),
            **{pair: _rewards(episodes, decision) for pair, episodes in by_pair.items()},
        },
    }


def _rewards(episodes: Sequence[Episode], settings: DecisionSettings) -> dict[str, Any]:
    paths = reward_paths(episodes, settings)
    return _plain(figures.rewards_figure(paths, weighing(episodes, settings)))


def _plain(figure: go.Figure) -> dict[str, Any]:
    """Data and layout as JSON values; arrays stay packed, the template of plotly is left out."""
    figure.update_layout(template="none")
    packed: dict[str, Any] = json.loads(figure.to_json())
    return {"data": packed["data"], "layout": {k: v for k, v in packed["layout"].items() if k != "template"}}
