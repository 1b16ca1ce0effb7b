"""The rule set of each role: which signals it weighs, how strongly it acts, and what holds it back.

    score      = sum(weight * signal) / sum(|weight|)        over the signals that are known
    coverage   = |weight| of the known signals / |weight| of all
    agreement  = |sum(weight * signal)| / sum(weight * |signal|)
    depth      = 10 * tanh(gain * score) * restraint * caution
    confidence = coverage * (0.2 + 0.6 * agreement) * sqrt(caution)

Directives in the system prompt change weights and gain (`directives`); no weight is negative without.
The judge is different: it weighs the others' views (see `judge`). Nothing here was fitted to data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from agent_market.records import DEPTH_LIMIT
from agent_market.sandbox.model.case import Case, Voice
from agent_market.sandbox.model.feedback import caution
from agent_market.sandbox.model.signals import SIGNALS, evidence

DISCLAIMER = "Rules, no language model"
AGENTS = frozenset({"aggressive", "conservative", "quant", "memory", "judge"})

Weights = Mapping[str, float]

_MOST_REASONS = 5
_WORST_DRAWDOWN = 0.25


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a rule set answers: `depth` in [-10, 10], `confidence` in [0, 1], and why."""

    depth: float
    confidence: float
    belief: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Temperament:
    """One row of the rule table.

    `weights` of the signals, given the regime; `gain` of depth over score; `restraint`: (case, score) ->
    factor on depth in [0, 1]; `tilt` is added to the score.
    """

    label: str
    gain: float
    weights: Callable[[str], Weights]
    restraint: Callable[[Case, float], float]
    tilt: float = 0.0


def answer(case: Case) -> Opinion:
    """The opinion of the case's role; an unknown role gets the balanced rules."""
    held = caution(case.role, case.feedback, AGENTS | {voice.agent for voice in case.voices})
    if case.role == "judge":
        return judge(case, held)
    return weigh(case, TEMPERAMENTS.get(case.role) or tempered(case.temperament), held)


def tempered(numbers: Mapping[str, float]) -> Temperament:
    """The balanced rules with the temperament that the prompt gives as numbers; neutral where it gives none.

    score    + 0.3 * optimism * (1 - rationality)
    gain     * (0.5 + risk_appetite)
    restraint * max(0.3, 1 - 0.1 * (loss_aversion - 1) * volatility_percentile)
    """
    if not numbers:
        return BALANCED
    tilt = 0.3 * numbers.get("optimism", 0.0) * (1 - numbers.get("rationality", 0.5))
    aversion = numbers.get("loss_aversion", 1.0) - 1

    def restraint(case: Case, score: float) -> float:
        fear = 0.1 * aversion * case.features.get("volatility_percentile", 1.0)
        return _less_when_wild(case, score) * min(max(1 - fear, 0.3), 1.0)

    gain = BALANCED.gain * (0.5 + numbers.get("risk_appetite", 0.5))
    return Temperament(BALANCED.label, gain, BALANCED.weights, restraint, tilt)


def weigh(case: Case, temperament: Temperament, held: float = 1.0) -> Opinion:
    """The formulas above. Without any known signal: depth 0 with confidence 0.

    :param held: the factor `caution` from feedback.
    """
    weights = case.directives.weights(temperament.weights(case.regime), SIGNALS)
    known = {name: x for name in weights if (x := SIGNALS[name](case)) is not None}
    total = sum(abs(weights[name]) for name in known)
    if not total:
        return Opinion(0.0, 0.0, f"{DISCLAIMER}: {temperament.label} knows none of its numbers.", ())
    pushes = {name: weights[name] * x for name, x in known.items()}
    push, force = sum(pushes.values()), sum(map(abs, pushes.values()))
    score = push / total + temperament.tilt
    agreement = abs(push) / force if force else 0.0
    restraint = temperament.restraint(case, score)
    gain = temperament.gain * case.directives.gain
    depth = DEPTH_LIMIT * math.tanh(gain * score) * restraint * held
    confidence = total / sum(map(abs, weights.values())) * (0.2 + 0.6 * agreement) * math.sqrt(held)
    belief = (
        f"{DISCLAIMER}: {temperament.label} in regime {case.regime} scores {score:+.2f} "
        f"from {len(known)} of {len(weights)} signals."
    )
    strongest = sorted(pushes, key=lambda name: (-abs(pushes[name]), name))[:_MOST_REASONS]
    reasons = [f"{name} {known[name]:+.2f} x {weights[name]:g}" for name in strongest]
    if restraint < 1:
        reasons.append(f"restraint x {restraint:.2f}")
    if held < 1:
        reasons.append(f"caution after feedback of losses x {held:.2f}")
    return Opinion(depth, confidence, belief, tuple(reasons))


def judge(case: Case, held: float = 1.0) -> Opinion:
    """Weighs the views of the others: mean by confidence, shrunk where they disagree.

        mean       = sum(confidence * depth) / sum(confidence)
        dispersion = sqrt(sum(confidence * (depth - mean)^2) / sum(confidence)) / 10        in [0, 1]
        depth      = mean * (1 - dispersion) * caution
        confidence = sum(confidence) / (views + agents without one) * (1 - dispersion) * sqrt(caution)

    Recall counts as one more view, of depth 10 * e and confidence |e| with e = tanh(t / 2), unless an agent
    named "memory" already speaks for it. Without any view: depth 0 with confidence 0.
    """
    voices = _witnesses(case)
    weight = sum(voice.confidence for voice in voices)
    if not weight:
        return Opinion(0.0, 0.0, f"{DISCLAIMER}: the judge has no view to weigh.", ())
    mean = sum(voice.confidence * voice.depth for voice in voices) / weight
    spread = math.sqrt(sum(v.confidence * (v.depth - mean) ** 2 for v in voices) / weight)
    accord = 1 - min(spread / DEPTH_LIMIT, 1.0)
    asked = len(voices) + case.silent
    depth = mean * accord * held
    confidence = min(weight / asked, 1.0) * accord * math.sqrt(held)
    belief = (
        f"{DISCLAIMER}: the judge weighs {len(voices)} of {asked} views to {mean:+.2f}, "
        f"dispersion {1 - accord:.2f}."
    )
    loudest = sorted(voices, key=lambda v: (-abs(v.confidence * v.depth), v.agent))[:_MOST_REASONS]
    reasons = [f"{v.agent} {v.depth:+.2f} at confidence {v.confidence:.2f}" for v in loudest]
    if held < 1:
        reasons.append(f"caution after feedback of losses x {held:.2f}")
    return Opinion(depth, confidence, belief, tuple(reasons))


def _witnesses(case: Case) -> tuple[Voice, ...]:
    seen = evidence(case.recall)
    voices = case.voices
    if seen and not any(voice.agent == "memory" for voice in voices):
        voices = (*voices, Voice("recall", DEPTH_LIMIT * seen, abs(seen)))
    heard = [replace(v, confidence=v.confidence * case.directives.loudness(v.agent)) for v in voices]
    return tuple(voice for voice in heard if voice.confidence > 0)


def _fixed(**weights: float) -> Callable[[str], Weights]:
    return lambda _regime: weights


def trend_share(regime: str) -> float:
    """How much the balanced rules follow rather than fade: 0.75 in a trend, 0.25 in chop, else 0.5."""
    return {"up": 0.75, "down": 0.75, "chop": 0.25}.get(regime.partition("-")[0], 0.5)


def _balanced_weights(regime: str) -> Weights:
    follow = trend_share(regime)
    fade = 1 - follow
    return {
        "trend": 2 * follow,
        "momentum_24": follow,
        "momentum_72": follow,
        "macd": follow,
        "stretch": 2.5 * fade,
        "rsi_reversal": 2.5 * fade,
        "recall": 1.0,
    }


def _less_in_chop(case: Case, score: float) -> float:
    return 0.6 if case.regime.startswith("chop") else 1.0


def _less_when_wild(case: Case, score: float) -> float:
    return 0.7 if case.regime.endswith("wild") else 1.0


def _averse(case: Case, score: float) -> float:
    """Less depth in volatile markets, and less long depth in falling ones; what is unknown is feared."""
    percentile = min(max(case.features.get("volatility_percentile", 1.0), 0.0), 1.0)
    calm = 1 - 0.6 * percentile
    if score <= 0:
        return calm
    drawdown = min(max(case.features.get("drawdown", _WORST_DRAWDOWN), 0.0), _WORST_DRAWDOWN)
    return calm * (1 - 0.5 * drawdown / _WORST_DRAWDOWN)


BALANCED = Temperament("the balanced rule", 1.5, _balanced_weights, _less_when_wild)

TEMPERAMENTS: Mapping[str, Temperament] = MappingProxyType(
    {
        "aggressive": Temperament(
            "the momentum follower",
            2.0,
            _fixed(trend=3, momentum_24=2, momentum_72=2, macd=1, breakout=2, recall=1),
            _less_in_chop,
        ),
        "conservative": Temperament(
            "the mean reverter",
            1.2,
            _fixed(trend=1, stretch=2, rsi_reversal=2, crowd=1, recall=1),
            _averse,
        ),
        "quant": BALANCED,
    }
)
"""Role -> rules; the judge has `judge`, every other role `BALANCED`."""
