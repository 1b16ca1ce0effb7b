"""The chain behind a trade as text: market, recall, views, weights, limits, fill."""

from __future__ import annotations

from collections.abc import Sequence

from agent_market.queries.decisions import DecisionRow
from agent_market.queries.risk_log import Line
from agent_market.records import AgentView, Debate, Episode
from agent_market.store.risk_notes import LIVE
from agent_market.utils.plain_text import one_line
from agent_market.utils.time import moment

CASES = 3


def why_text(row: DecisionRow, debate: Debate | None, lines: Sequence[Line], trade: str) -> str:
    """Return the chain behind a decision: market, recall, views, weights, limits, orders and outcome."""
    episode = row.episode
    view, decision, verdict = episode.view, episode.decision, episode.verdict
    said = [_view(v, decision.weights.get(v.agent, 0.0)) for v in episode.views]
    text = [
        f"{trade or 'Decision'} {episode.id}",
        f"Seen: {view.pair} {view.timeframe} at {moment(view.asof)}, regime {view.regime}",
        *_remembered(episode),
        *said,
        *([f"Debate: {debate.ended_reason}; /debate {episode.id}"] if debate is not None else []),
        f"Together: depth {decision.depth:+.2f} of 10, {decision.action}",
        *(
            f"Limit on depth: {c.limit} {c.before:+.2f} to {c.after:+.2f} "
            f"(limit {c.threshold:.4g}, seen {c.value:.4g})"
            for c in verdict.clamps
        ),
        *(_order(line) for line in lines),
        f"Fate: {row.fate.replace('_', ' ')}" + (f" ({row.refusal})" if row.refusal else ""),
    ]
    if episode.outcome is not None:
        text.append(f"Since then the market returned {episode.outcome.market_return:+.2%}")
    else:
        text.append(f"Its outcome is known at {moment(episode.due)}")
    return "\n".join(map(one_line, text))


def _remembered(episode: Episode) -> list[str]:
    cases = episode.recall.neighbours
    if not cases:
        return ["Remembered: no case like it"]
    mean = sum(case.market_return for case in cases) / len(cases)
    days = ", ".join(f"{case.asof:%Y-%m-%d %H:%M}" for case in cases[:CASES])
    taught = f"; {len(episode.recall.lessons)} lessons" if episode.recall.lessons else ""
    return [f"Remembered: {len(cases)} cases, mean return {mean:+.2%} (nearest {days}){taught}"]


def _view(view: AgentView, weight: float) -> str:
    if view.abstains:
        return f"- {view.agent} abstains: {view.abstained_reason}"
    words = view.belief or "; ".join(view.reasons)
    return f"- {view.agent} {view.depth:+.1f}, weight {weight:.2f}" + (f": {words}" if words else "")


def _order(line: Line) -> str:
    run = line.get("run", LIVE)
    where = "" if run == LIVE else f" in {run}"
    if line["kind"] == "clamps":
        return f"Limit on the order{where}: " + ", ".join(
            f"{c['limit']} {c['before']:.6g} to {c['after']:.6g} "
            f"(limit {c['threshold']:.4g}, seen {c['value']:.4g})"
            for c in line["clamps"]
        )
    if line["kind"] == "refusal":
        return f"Refused ({line['mode']}){where}: {line['cause']}"
    return f"Filled{where}: slippage {line['slippage']:+.3%}, {line['seconds']:.0f} s after the order"
