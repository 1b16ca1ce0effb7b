"""A debate as text, as it was held: for people who want to read why something was traded."""

from __future__ import annotations

from collections.abc import Iterator

from agent_market.records import AgentView, Debate, DebateTurn, Episode
from agent_market.utils.plain_text import one_line

_TITLES = {
    "proposal": "proposes",
    "objections": "objects",
    "evidence": "gives evidence (computed)",
    "rebuttal": "rebuts",
    "ruling": "rules",
}


def transcript(episode: Episode, debate: Debate | None) -> str:
    """What was said before a decision: the full debate, or, where none was held, each agent's view."""
    decision, verdict = episode.decision, episode.verdict
    lines = [f"{decision.id}  {episode.view.regime}"]
    if debate is None:
        lines += ["", "No full debate: all spoke at once, then those who rule."]
        lines += [line for view in episode.views for line in _view(view, decision.weights[view.agent])]
    else:
        lines += ["", f"A full debate was held: {debate.held_reason}."]
        lines += [line for speech in debate.turns for line in _speech(speech)]
        lines += ["", f"The debate ended because {debate.ended_reason}."]
        if debate.ruling is not None:
            lines.append(f"Ruling: {debate.ruling}, {debate.ruling_confidence} of 100 sure.")
    lines += ["", f"Fused depth {decision.depth:+.2f}, traded {verdict.depth:+.2f} ({verdict.action})."]
    lines += [
        f"  limited by {clamp.limit}: {clamp.before:+.2f} -> {clamp.after:+.2f}" for clamp in verdict.clamps
    ]
    outcome = episode.outcome
    if outcome is not None:
        lines.append(f"The market then returned {outcome.market_return:+.2%} over the horizon.")
    return "\n".join(map(one_line, lines)) + "\n"


def _speech(speech: DebateTurn) -> Iterator[str]:
    number = f", round {speech.round}" if speech.round else ""
    yield ""
    yield f"[{speech.agent}] {_TITLES[speech.step]}{number}{_stand(speech.depth, speech.confidence)}"
    if speech.silent_reason is not None:
        yield f"  (silent: {speech.silent_reason})"
    is_list = speech.step == "objections"
    for n, line in enumerate(speech.lines, start=1):
        yield f"  {n}. {line}" if is_list else f"  {line}"
    if speech.numbers:
        yield "  " + ", ".join(f"{name} {value:.4g}" for name, value in speech.numbers.items())


def _view(view: AgentView, weight: float) -> Iterator[str]:
    yield ""
    if view.abstains:
        yield f"[{view.agent}] abstains: {view.abstained_reason}"
        return
    yield f"[{view.agent}]{_stand(view.depth, view.confidence)}, weight {weight:.2f}"
    yield from (f"  {line}" for line in (view.belief, *view.reasons) if line)


def _stand(depth: float | None, confidence: float | None) -> str:
    return (
        "" if depth is None or confidence is None else f" at depth {depth:+.2f}, confidence {confidence:.2f}"
    )
