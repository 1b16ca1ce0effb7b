"""User messages: what a role is shown about one decision, as one fenced block of JSON.

All numbers are rounded to fixed decimals, so that float noise in the last bits of a feature does not change
a prompt and with it the content address. Every text that came from outside or from a model goes through the
mask, and loses its backquotes, so that it can neither tell the moment nor close the block.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import orjson

from agent_market.agents.prompts.belief_history import PastBelief
from agent_market.agents.prompts.system_prompt import WITHOUT_CASES, StepName, plain
from agent_market.agents.prompts.visibility import may_see_regime, visible
from agent_market.agents.roles import Role, Temperament
from agent_market.config import FactorGroup
from agent_market.errors import DataError
from agent_market.llm.answers.request import Guard
from agent_market.llm.egress.masking import Mask
from agent_market.records import AgentView, DebateTurn, MarketView, Neighbour, Recall

SCHEMA = "agent-market/2"

DECIMALS = 5
DISTANCE_DECIMALS = 3
VIEW_DECIMALS = 2
VIEW_REASONS = 3
VIEW_REASON_CHARS = 200
BELIEF_CHARS = 400
HEADLINE_CHARS = 200
LINE_CHARS = 300
LESSON_CHARS = 500

_OPEN = "The market at the decision:\n```json\n"
_CLOSE = "\n```\nAnswer as one JSON object."
_HOUR_S = 3600


class Shown(NamedTuple):
    """What a step shows beside the numbers; None is left out."""

    views: tuple[AgentView, ...] | None = None
    belief: tuple[str, tuple[str, ...]] | None = None
    debate: tuple[DebateTurn, ...] | None = None
    history: tuple[PastBelief, ...] = ()


NOTHING = Shown()


class Brief:
    """What all roles are shown about one decision, rendered once for each sight and shared by messages."""

    __slots__ = (
        "_cases",
        "_context",
        "_features",
        "_feedback",
        "_headlines",
        "_lessons",
        "_market",
        "_mask",
        "_names",
        "_seen",
        "_summary",
        "_view",
    )

    def __init__(
        self,
        view: MarketView,
        recall: Recall,
        feedback: Sequence[str] = (),
        neighbours: int = 8,
        mask: Mask | None = None,
        headlines: int = 8,
    ) -> None:
        """
        :param feedback: lines of earlier rounds that were known at `view.asof`.
        :param neighbours: how many of the recalled cases are shown, best rank first.
        :param mask: what texts go through; None says nothing of the market and leaves texts as they are.
        :param headlines: how many of the newest headlines are shown.
        :raises DataError: a feature, context value or recalled return is not finite.
        """
        cases = recall.neighbours[:neighbours]
        numbers = _rounded(view, cases)
        at_context = len(view.features)
        at_cases = at_context + len(view.context)
        self._view = view
        self._mask = mask
        features = dict(zip(view.features, numbers, strict=False))
        self._names = tuple(sorted(features))
        self._features = _entries(features)
        names = tuple(view.context) if mask is None else mask.names(tuple(view.context))
        self._context = _fragment(dict(zip(names, numbers[at_context:], strict=False)))
        lines = self.all_plain([case.line[:LINE_CHARS] for case in cases])
        self._summary = _summed_up(numbers[at_cases::2])
        self._cases = _fragment(
            {
                **self._summary,
                "neighbours": _neighbours(numbers[at_cases::2], numbers[at_cases + 1 :: 2], lines),
            }
        )
        self._feedback = self.all_plain(feedback)
        self._lessons = [
            {"id": f"L{n}", "text": self.plain(lesson.text[:LESSON_CHARS]), "contested": lesson.contested}
            for n, lesson in enumerate(recall.lessons, start=1)
        ]
        self._headlines = headlines
        self._market = None if mask is None else mask.market()
        self._seen: dict[frozenset[FactorGroup], dict[str, object]] = {}

    @property
    def guard(self) -> Guard | None:
        """What reads the messages before they leave."""
        return None if self._mask is None else self._mask.guard

    def user_message(self, role: Role, shown: Shown = NOTHING, step: StepName = "view") -> str:
        """The user message for `role` at a step."""
        block = dict(self._seen.get(role.sees) or self._sight(role.sees))
        if step in WITHOUT_CASES and "recall" in block:
            block["recall"] = self._summary
        block["role"] = role.name
        block["step"] = step
        block["temperament"] = _temperament(role.temperament)
        if shown.history:
            block["history"] = [self._past(past) for past in shown.history]
        if shown.views is not None:
            block["views"], block["abstained"] = self._views(shown.views)
        if shown.belief is not None:
            belief, reasons = shown.belief
            block["belief"] = {"belief": self.plain(belief), "reasons": [self.plain(r) for r in reasons]}
        if shown.debate is not None:
            block["debate"] = [self._speech(speech) for speech in shown.debate if not speech.silent_reason]
        body = orjson.dumps(block, option=orjson.OPT_SORT_KEYS).decode()
        return f"{_OPEN}{body}{_CLOSE}"

    def plain(self, text: str) -> str:
        """Text for inside the block: masked, and without what could close the fence."""
        text = plain(text)
        return text if self._mask is None else self._mask.text(text)

    def all_plain(self, texts: Sequence[str]) -> list[str]:
        """`plain` of each text; most are clean, and one look at all of them together tells."""
        if not texts:
            return []
        joined = "\n".join(texts)
        if plain(joined) is joined and (self._mask is None or self._mask.is_clean(joined)):
            return list(texts)
        return [self.plain(text) for text in texts]

    def _sight(self, sees: frozenset[FactorGroup]) -> dict[str, object]:
        """The part of the block that only the sight decides."""
        block = self._seen[sees] = self._rendered(sees)
        return block

    def _rendered(self, sees: frozenset[FactorGroup]) -> dict[str, object]:
        shown = [self._features[place] for place in visible(self._names, sees)]
        block: dict[str, object] = {
            "schema": SCHEMA,
            "features": orjson.Fragment(b'{"%b}' % b',"'.join(shown) if shown else b"{}"),
            "feedback": self._feedback,
        }
        if self._market is not None:
            block["market"] = self._market
        if "context" in sees:
            block["context"] = self._context
        if may_see_regime(sees):
            block["regime"] = self._view.regime
        if "memory" in sees:
            block["recall"] = self._cases
            if self._lessons:
                block["lessons"] = self._lessons
        if "news" in sees and self._view.headlines:
            block["headlines"] = self._news()
        return block

    def _news(self) -> list[dict[str, object]]:
        asof = self._view.asof
        return [
            {
                "age_hours": round((asof - line.known_at).total_seconds() / _HOUR_S, 1) + 0.0,
                "text": self.plain(line.text[:HEADLINE_CHARS]),
            }
            for line in self._view.headlines[: self._headlines]
        ]

    def _past(self, past: PastBelief) -> dict[str, object]:
        view = past.view
        entry: dict[str, object] = {
            "age": past.age,
            "belief": self.plain(view.belief[:BELIEF_CHARS]),
            "depth": round(view.depth, VIEW_DECIMALS) + 0.0,
            "confidence": round(view.confidence, VIEW_DECIMALS) + 0.0,
        }
        known = {
            "horizon": view.horizon,
            "invalidation": view.invalidation,
            "return_since": _short(past.return_since),
            "was_proved_wrong": past.was_proved_wrong,
        }
        return entry | {name: value for name, value in known.items() if value is not None}

    def _views(self, views: Iterable[AgentView]) -> tuple[list[dict[str, Any]], list[str]]:
        opinions: list[dict[str, Any]] = []
        abstained: list[str] = []
        texts: list[str] = []
        for view in views:
            if view.abstains:
                # Without the cause: a time-out's wording would change the judge's content address.
                abstained.append(view.agent)
                continue
            reasons = [reason[:VIEW_REASON_CHARS] for reason in view.reasons[:VIEW_REASONS]]
            opinions.append(
                {
                    "agent": view.agent,
                    "depth": round(view.depth, VIEW_DECIMALS) + 0.0,
                    "confidence": round(view.confidence, VIEW_DECIMALS) + 0.0,
                    "reasons": reasons,
                }
            )
            texts += reasons
        clean = iter(self.all_plain(texts))
        for opinion in opinions:
            opinion["reasons"] = [next(clean) for _ in opinion["reasons"]]
        return opinions, abstained

    def _speech(self, speech: DebateTurn) -> dict[str, object]:
        entry: dict[str, object] = {
            "agent": speech.agent,
            "step": speech.step,
            "lines": [self.plain(line[:LINE_CHARS]) for line in speech.lines],
        }
        if speech.round:
            entry["round"] = speech.round
        if speech.depth is not None and speech.confidence is not None:
            entry["depth"] = round(speech.depth, VIEW_DECIMALS) + 0.0
            entry["confidence"] = round(speech.confidence, VIEW_DECIMALS) + 0.0
        if speech.numbers:
            entry["numbers"] = {name: _short(value) for name, value in speech.numbers.items()}
        return entry


@lru_cache(maxsize=256)
def _temperament(temperament: Temperament) -> orjson.Fragment:
    return _fragment(asdict(temperament))


def _rounded(view: MarketView, cases: Sequence[Neighbour]) -> list[float]:
    """Features, context, then return and distance of each case in turn: one numpy call rounds them all."""
    values = [*view.features.values(), *view.context.values()]
    for case in cases:
        values += (case.market_return, case.distance)
    # + 0.0 turns -0.0, whose sign is noise, into 0.0.
    rounded: list[float] = (np.array(values).round(DECIMALS) + 0.0).tolist() if values else []
    if not math.isfinite(sum(rounded)):
        named = {**view.features, **view.context} | {f"case {i}": case for i, case in enumerate(cases)}
        raise DataError(f"a prompt needs finite numbers, and what is not known must be absent; got {named}")
    return rounded


def _neighbours(
    returns: Sequence[float], distances: Sequence[float], lines: Sequence[str]
) -> list[list[object]]:
    """Each case as [id, return, distance, line]; a line that is empty is left out."""
    # Cases go by rank, not by episode id: that names the pair and the date.
    cases_shown = zip(range(1, len(returns) + 1), returns, distances, lines, strict=True)
    return [
        [rank, value, round(distance, DISTANCE_DECIMALS), line]
        if line
        else [rank, value, round(distance, DISTANCE_DECIMALS)]
        for rank, value, distance, line in cases_shown
    ]


def _summed_up(returns: Sequence[float]) -> dict[str, object]:
    """`n` and, where there are cases, mean, win rate and sample deviation of what followed them."""
    n = len(returns)
    block: dict[str, object] = {"n": n}
    if n:
        mean = sum(returns) / n
        block["mean_return"] = round(mean, DECIMALS) + 0.0
        block["win_rate"] = round(sum(value > 0 for value in returns) / n, DECIMALS)
        if n > 1:
            variance = sum((value - mean) ** 2 for value in returns) / (n - 1)
            block["std_return"] = round(math.sqrt(variance), DECIMALS)
    return block


def _entries(numbers: Mapping[str, float]) -> list[bytes]:
    """The members of an object of numbers as JSON, by name, each without its opening quote.

    Names cannot hold the separator, for a quote inside of one is escaped.
    """
    return orjson.dumps(numbers, option=orjson.OPT_SORT_KEYS)[2:-1].split(b',"')


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, DECIMALS) + 0.0


def _fragment(value: Mapping[str, object]) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
