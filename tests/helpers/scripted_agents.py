"""Agents that answer from a script, step by step, and remember what they were shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent_market.config import LLMSettings
from agent_market.errors import AnswerInvalid, ModelUnavailable
from agent_market.llm.answers.request import Request
from agent_market.llm.answers.schemas import (
    Answer,
    Belief,
    Judgement,
    Objections,
    Proposal,
    Rebuttal,
    Said,
    parse,
)
from agent_market.llm.answers.sources import Reply
from agent_market.llm.endpoints.completion import RequestTotals

Block = Mapping[str, Any]


def block_of(request: Request) -> dict[str, Any]:
    """The JSON block of a prompt."""
    found: dict[str, Any] = json.loads(request.user.split("```json\n")[1].split("\n```")[0])
    return found


def usual(role: str, step: str, block: Block) -> Said:
    """What an agreeable agent says at each step: the bull at 6, the bear at -5, each yielding 1 a round."""
    stands = {"aggressive": 6.0, "conservative": -5.0}
    depth = stands.get(role, 1.0)
    if step == "belief":
        return Belief(belief=f"{role} believes", reasons=("because",))
    if step == "proposal":
        return Proposal(depth=depth, confidence=0.7, belief="up", reasons=("r",), expected_return=0.02)
    if step == "objections":
        return Objections(objections=("a", "b", "c", "d", "e"), depth=depth, confidence=0.6)
    if step == "rebuttal":
        own = [turn["depth"] for turn in block["debate"] if turn["agent"] == role][-1]
        return Rebuttal(rebuttal=f"{role} yields", depth=own - (1.0 if own > 0 else -1.0), confidence=0.5)
    if step == "ruling":
        return Judgement(ruling="execute", confidence=80, depth=9.0, reasons=("fair",))
    return Answer(depth=depth, confidence=0.6, belief=f"{role} says", reasons=("so",))


@dataclass
class ScriptedAgents:
    """A source of answers. `script(role, step, block)` gives an answer, an error, or text to be parsed."""

    script: Callable[[str, str, Block], Said | Exception | str] = usual
    llm: LLMSettings = field(default_factory=LLMSettings)
    usage: RequestTotals = field(default_factory=RequestTotals)
    tight: bool = False
    asked: list[Request] = field(default_factory=list)

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        self.asked += requests
        return [self._reply(request) for request in requests]

    def is_tight(self, decision: str) -> bool:
        return self.tight

    def close(self) -> None:
        pass

    def steps(self) -> list[tuple[str, str]]:
        """(role, step) of everything that was asked, in order."""
        return [(request.role, str(block_of(request)["step"])) for request in self.asked]

    def blocks(self, role: str, step: str) -> list[dict[str, Any]]:
        """What one agent was shown at a step, in order."""
        found = [block_of(request) for request in self.asked if request.role == role]
        return [block for block in found if block["step"] == step]

    def _reply(self, request: Request) -> Reply:
        leak = request.leak()
        if leak is not None:
            return leak
        block = block_of(request)
        said = self.script(request.role, block["step"], block)
        if isinstance(said, str):
            try:
                return parse(request.form.answer, said)
            except AnswerInvalid as error:
                return error
        if isinstance(said, Said | AnswerInvalid | ModelUnavailable):
            return said
        raise AssertionError(f"the script said {said!r}")
