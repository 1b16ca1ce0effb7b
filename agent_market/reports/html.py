"""One self-contained page: opens offline, follows the reader's light or dark scheme, fits a phone.

Nothing that came from a model can become markup or script: the template escapes everything, data reach
the browser as JSON with `<`, `>`, `&` and quotes escaped, `report.js` writes text nodes only, and a content
security policy lets exactly our two scripts run, by hash, and nothing load or connect.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import plotly.graph_objects as go
from freqtrade.exchange import timeframe_to_seconds
from markupsafe import Markup
from plotly.offline import get_plotlyjs

import agent_market
from agent_market.config import AgentMarketSettings
from agent_market.records import Episode
from agent_market.reports import figures, text
from agent_market.reports.calibration import CalibrationRow, calibration_rows, reliability_figure
from agent_market.reports.comparison import Comparison, Contender
from agent_market.reports.credit import credit_table
from agent_market.reports.decisions import decision_table
from agent_market.reports.knowledge import KnowledgeSplit, lead_in_words, split_by_knowledge
from agent_market.reports.model_costs import model_costs
from agent_market.reports.provenance import warnings_of
from agent_market.reports.result import BacktestRun
from agent_market.reports.scorecards import Scorecard, reward_paths, scorecards
from agent_market.reports.uncertainty import MIN_DAYS, RESAMPLES
from agent_market.reports.weights import weight_table

TEMPLATES = Path(agent_market.__file__).parent / "templates" / "report"

_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


@dataclass(frozen=True, slots=True)
class ReportContent:
    """Everything that a report shows. `episodes` are those decided within the run's span.

    `written_at` is shown at the foot of the page; None leaves it out, so that equal runs give equal pages.
    """

    run: BacktestRun
    comparison: Comparison
    episodes: tuple[Episode, ...]
    candles: Mapping[str, pd.DataFrame]
    settings: AgentMarketSettings
    written_at: datetime | None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What must be read before any figure."""
        return warnings_of(self.settings.llm.model, self.run.config, self.run.notes)

    @property
    def knowledge(self) -> KnowledgeSplit:
        """Results before and after the models' knowledge cutoff."""
        settings = self.settings
        return split_by_knowledge(self.comparison, self.episodes, settings.llm, settings.budget)


def render(content: ReportContent) -> str:
    """The page as one string of HTML."""
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    plotly = get_plotlyjs()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": text.percent,
        "signed_percent": text.signed_percent,
        "number": text.number,
        "bp": text.basis_points,
        "lead": lead_in_words,
    }
    cards = scorecards(content.episodes, content.settings.decision)
    calibration = calibration_rows(content.episodes, content.settings.calibration)
    return environment.get_template("report.html.j2").render(
        content=content,
        facts=facts(content),
        rows=[
            (contender, _lead(content.comparison, contender)) for contender in content.comparison.contenders
        ],
        cards=cards,
        calibration=calibration,
        credit=credit_table(content.episodes, content.settings.decision, content.settings.costs),
        weights=weight_table(content.episodes),
        knowledge=content.knowledge,
        silence=silence(content, cards),
        figures=json_for_html(_figures(content, calibration)),
        decisions=json_for_html(_decisions(content)),
        css=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        plotly=Markup(plotly),
        script=Markup(script),
        policy=f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; "
        f"script-src '{_sha256(plotly)}' '{_sha256(script)}'",
        min_days=MIN_DAYS,
        resamples=RESAMPLES,
    )


def write_report(content: ReportContent, path: Path) -> Path:
    """Write the page to `path` in one step: a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(render(content), encoding="utf-8")
    temporary.replace(path)
    return path


def facts(content: ReportContent) -> list[tuple[str, str]]:
    """The run in a few lines, as (name, value)."""
    first, llm, costs = content.run.first, content.settings.llm, content.settings.costs
    fee = text.percent(content.comparison.fee, 3)
    return [
        ("Span", f"{first.start:%Y-%m-%d %H:%M} to {first.end:%Y-%m-%d %H:%M} UTC"),
        ("Pairs", ", ".join(first.pairs)),
        ("Candles", f"{first.timeframe}, {first.trading_mode}"),
        ("Start", f"{text.number(first.starting_balance, 0)} {first.stake_currency}"),
        ("Open trades", f"at most {first.max_open_trades}"),
        ("Fee", f"{fee} a side, as backtested"),
        ("Agents expect", f"{text.percent(costs.round_trip, 3)} for a round trip with slippage"),
        ("Language model", f"{llm.model} ({llm.mode})"),
        ("Model costs", _model_costs(content)),
        ("FreqAI model", f"{first.freqai_model or 'none'}, {first.identifier or 'no identifier'}"),
        ("Decisions", f"{len(content.episodes):,}"),
        ("Result", content.run.path.name),
    ]


def _model_costs(content: ReportContent) -> str:
    """What the answers cost when they were recorded, and how often there was no money to ask."""
    budget = content.settings.budget
    costs = model_costs(content.episodes, budget)
    total = (
        "unknown, a price is missing"
        if costs.total is None
        else (f"{text.number(costs.total / budget.stake_per_unit)} {budget.currency}")
    )
    views = [view for episode in content.episodes for view in episode.views]
    carried = sum(view.carried_because is not None for view in views)
    older = f"; {carried:,} of {len(views):,} views carried on from earlier decisions" if carried else ""
    return f"{total} as recorded, {costs.calls:,} calls, {costs.tokens:,} tokens{older}"


def silence(content: ReportContent, cards: tuple[Scorecard, ...]) -> str | None:
    """What to say above the agents when they said little or nothing; None when all is well."""
    if not content.episodes:
        return (
            "No decisions of this run are in the store, so nothing can be shown about the agents. "
            "They may have been made under another scope, in another database, or not at all."
        )
    if all(card.views == 0 for card in cards):
        return (
            "Every agent abstained from every decision. The causes stand below; the depth was 0 throughout."
        )
    mute = [card.agent for card in cards if card.views == 0]
    if mute:
        return f"Abstained from every decision: {text.listed(mute, 'and')}."
    return None


def json_for_html(value: Any) -> Markup:
    """JSON that is safe inside a script element, whatever strings it holds."""
    packed = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return Markup(packed.translate(_ESCAPES))


def _figures(content: ReportContent, calibration: tuple[CalibrationRow, ...]) -> dict[str, Any]:
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
            "": _plain(figures.rewards_figure(reward_paths(content.episodes, decision))),
            **{
                pair: _plain(figures.rewards_figure(reward_paths(episodes, decision)))
                for pair, episodes in by_pair.items()
            },
        },
    }


def _decisions(content: ReportContent) -> dict[str, Any]:
    agents = content.comparison.of("agents")
    tags = [] if agents is None else [str(tag) for tag in agents.entry_tags]
    traded = {tag.rsplit(" ", 1)[-1] for tag in tags}
    return decision_table(content.episodes, content.settings.decision, traded)


def _plain(figure: go.Figure) -> dict[str, Any]:
    """Data and layout as JSON values; arrays stay packed, the template of plotly is left out."""
    figure.update_layout(template="none")
    packed: dict[str, Any] = json.loads(figure.to_json())
    return {"data": packed["data"], "layout": {k: v for k, v in packed["layout"].items() if k != "template"}}


@dataclass(frozen=True, slots=True)
class Lead:
    """The agents' lead over a contender, as text and as a bar: positions in per cent of the cell's width."""

    text: str
    finding: str
    left: float | None = None
    width: float | None = None
    middle: float | None = None


def _lead(comparison: Comparison, contender: Contender) -> Lead | None:
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


def _sha256(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
