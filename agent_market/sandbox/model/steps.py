"""What the rules say at each step of a decision: the opinion of `rules`, in the form that the step asks for.

    sigma          = volatility_24 * sqrt(horizon)           horizon: the temperament's, else 12 candles
    invalidation   = -sign(depth) * sigma                    not said without depth or volatility
    expected_return = depth / 10 * sigma
    rebuttal       = own + 0.3 * (mean(other side, evidence) - own)

`docs/reference/sandbox-model.md` has the whole table. An unknown step is answered as a view.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import fmean
from types import MappingProxyType
from typing import Any

from agent_market.records import DEPTH_LIMIT
from agent_market.sandbox.model.case import Case, Turn, Voice
from agent_market.sandbox.model.fitting import fields
from agent_market.sandbox.model.rules import DISCLAIMER, Opinion, answer, judge
from agent_market.sandbox.model.signals import SIGNALS

HORIZON = 12
YIELDING = 0.3
SAME_DEPTH = 1.0
NO_EDGE = 0.5
_WIDEST = 0.5


def say(case: Case) -> dict[str, Any]:
    """The fields of the answer at `case.step`."""
    return _STEPS.get(case.step, _view)(case)


def _view(case: Case) -> dict[str, Any]:
    return _with_levels(case, answer(case))


def _with_levels(case: Case, opinion: Opinion) -> dict[str, Any]:
    sigma = _sigma(case)
    said = fields(opinion)
    level = None if sigma is None or said["depth"] == 0 else -math.copysign(sigma, said["depth"])
    return {**said, "horizon": _horizon(case), "invalidation": None if level is None else round(level, 4)}


def _proposal(case: Case) -> dict[str, Any]:
    said = _view(case)
    return {**said, "expected_return": round(said["depth"] / DEPTH_LIMIT * (_sigma(case) or 0.0), 6) + 0.0}


def _objections(case: Case) -> dict[str, Any]:
    """Five topics, always the same, each with the number that speaks to it or the lack of one."""
    known = case.features
    proposed = _last(case, lambda turn: turn.step == "proposal")
    depth = 0.0 if proposed is None or proposed.depth is None else proposed.depth
    stretch, recall = SIGNALS["stretch"](case), case.recall
    topics = (
        ("volatility percentile", known.get("volatility_percentile"), "the move may be noise"),
        ("drawdown", known.get("drawdown"), "the market has fallen from its high before"),
        ("stretch", stretch, "the move may be spent"),
        ("recalled cases", None if recall is None else float(recall.n), "too few to rely on"),
        ("proposed depth", depth, "conviction costs most when it is wrong"),
    )
    lines = [
        f"{name} is {'unknown' if value is None else f'{value:+.2f}'}: {doubt}"
        for name, value, doubt in topics
    ]
    return {**fields(answer(case)), "objections": lines}


def _rebuttal(case: Case) -> dict[str, Any]:
    """Yields three tenths of the way to the mean of the other side and the evidence."""
    opinion = answer(case)
    mine = _last(case, lambda turn: turn.agent == case.role and turn.depth is not None)
    other = _last(case, lambda turn: turn.agent != case.role and turn.depth is not None)
    own = opinion.depth if mine is None or mine.depth is None else mine.depth
    pulls = [] if other is None or other.depth is None else [other.depth]
    shown = _evidence(case)
    pulls += [] if shown is None else [shown]
    depth = own + YIELDING * (fmean(pulls) - own) if pulls else own
    words = f"{DISCLAIMER}: {own:+.2f} gives way to {depth:+.2f} before {len(pulls)} opposing numbers."
    confidence = opinion.confidence if mine is None or mine.confidence is None else mine.confidence
    return {
        "rebuttal": words,
        "depth": round(depth, 2) + 0.0,
        "confidence": round(confidence, 3) + 0.0,
    }


def _ruling(case: Case) -> dict[str, Any]:
    """The judge's formula over the final depths, and a ruling by how far it is from the proposal."""
    opinion = judge(replace(case, voices=_voices_at_the_end(case)))
    proposer = _last(case, lambda turn: turn.step == "proposal")
    final = None if proposer is None else _last(case, lambda turn: turn.agent == proposer.agent)
    proposed = 0.0 if final is None or final.depth is None else final.depth
    if opinion.depth * proposed <= 0 or abs(opinion.depth) < NO_EDGE:
        ruling = "abandon"
    else:
        ruling = "execute" if abs(opinion.depth - proposed) <= SAME_DEPTH else "adjust"
    said = fields(opinion)
    return {**said, "ruling": ruling, "confidence": round(100 * opinion.confidence)}


def _voices_at_the_end(case: Case) -> tuple[Voice, ...]:
    """The views, with those who debated where they stood at last."""
    stands = {t.agent: t for t in case.debate if t.depth is not None and t.confidence is not None}
    voices = {voice.agent: voice for voice in case.voices}
    for agent, turn in stands.items():
        voices[agent] = Voice(agent, turn.depth or 0.0, turn.confidence or 0.0)
    return tuple(voice for voice in voices.values() if voice.confidence > 0)


def _evidence(case: Case) -> float | None:
    """Depth that the newest evidence speaks for: 20 * (win rate - 0.5) on the proposal's side, by n."""
    turn = _last(case, lambda turn: turn.step == "evidence")
    proposed = _last(case, lambda turn: turn.step == "proposal")
    if turn is None or proposed is None or not proposed.depth:
        return None
    rates = [
        (turn.numbers[f"{source}_win_rate"], turn.numbers.get(f"{source}_cases", 0.0))
        for source in ("recall", "model")
        if f"{source}_win_rate" in turn.numbers
    ]
    weight = sum(n for _, n in rates)
    if weight <= 0:
        return None
    rate = sum(rate * n for rate, n in rates) / weight
    side = math.copysign(1.0, proposed.depth)
    return side * min(max(2 * DEPTH_LIMIT * (rate - 0.5), -DEPTH_LIMIT), DEPTH_LIMIT)


def _last(case: Case, wanted: Callable[[Turn], bool]) -> Turn | None:
    return next((turn for turn in reversed(case.debate) if wanted(turn)), None)


def _horizon(case: Case) -> int:
    return max(1, round(case.temperament.get("horizon", HORIZON)))


def _sigma(case: Case) -> float | None:
    volatility = case.features.get("volatility_24")
    if volatility is None or volatility <= 0:
        return None
    return min(volatility * math.sqrt(_horizon(case)), _WIDEST)


_STEPS: Mapping[str, Callable[[Case], dict[str, Any]]] = MappingProxyType(
    {
        "proposal": _proposal,
        "objections": _objections,
        "rebuttal": _rebuttal,
        "ruling": _ruling,
    }
)
"""Step -> rule; `view`, `belief` and `decision` are one opinion, of which the schema takes its part."""
