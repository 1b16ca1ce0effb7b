"""One self-contained page: opens offline, follows the reader's light or dark scheme, fits a phone.

Nothing that came from a model can become markup or script: the template escapes everything, data reach
the browser as JSON with `<`, `>`, `&` and quotes escaped, `report.js` writes text nodes only, and a content
security policy lets exactly our two scripts run, by hash, and nothing load or connect.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from markupsafe import Markup
from plotly.offline import get_plotlyjs

from agent_market.reports import text
from agent_market.reports.calibration import calibration_rows
from agent_market.reports.content import ReportContent
from agent_market.reports.credit import credit_table
from agent_market.reports.decisions import decision_table
from agent_market.reports.knowledge import lead_in_words
from agent_market.reports.model_costs import model_costs
from agent_market.reports.page_data import figures_of
from agent_market.reports.pages import TEMPLATES, put_page, template_environment
from agent_market.reports.relative_performance import lead_of
from agent_market.reports.scorecards import Scorecard, scorecards
from agent_market.reports.weights import weight_table
from agent_market.stats.uncertainty import MIN_DAYS, RESAMPLES

ASSETS = TEMPLATES / "report"

_ESCAPES = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def render(content: ReportContent) -> str:
    """The page as one string of HTML."""
    script = (ASSETS / "report.js").read_text(encoding="utf-8")
    plotly = get_plotlyjs()
    environment = template_environment("report")
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
            (contender, lead_of(content.comparison, contender)) for contender in content.comparison.contenders
        ],
        cards=cards,
        calibration=calibration,
        credit=credit_table(content.episodes, content.settings.decision, content.settings.costs),
        weights=weight_table(content.episodes),
        knowledge=content.knowledge,
        silence=silence(content, cards),
        figures=json_for_html(figures_of(content, calibration)),
        decisions=json_for_html(_decisions(content)),
        css=Markup((ASSETS / "report.css").read_text(encoding="utf-8")),
        plotly=Markup(plotly),
        script=Markup(script),
        policy=f"default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; "
        f"script-src '{_sha256(plotly)}' '{_sha256(script)}'",
        min_days=MIN_DAYS,
        resamples=RESAMPLES,
    )


def write_report(content: ReportContent, path: Path) -> Path:
    """Write the page to `path` in one step: a reader never sees half of it."""
    return put_page(render(content), path)


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
    carried = sum(view.carried_reason is not None for view in views)
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


def _decisions(content: ReportContent) -> dict[str, Any]:
    agents = content.comparison.of("agents")
    tags = [] if agents is None else [str(tag) for tag in agents.entry_tags]
    traded = {tag.rsplit(" ", 1)[-1] for tag in tags}
    return decision_table(content.episodes, content.settings.decision, traded)


def _sha256(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
