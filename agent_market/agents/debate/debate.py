"""The full debate: proposal, objections, evidence, rebuttals, and the judge's ruling.

    proposer   what to do, why, and the return to expect
    critic     exactly five objections
    quant      what the recalled cases and the trained model say for the proposal's side, computed by code
    both       rebuttals at the same time, `min_rounds` to `max_rounds`, until no depth moves any more
    judge      execute (the proposer's final depth), adjust (the judge's own) or abandon (0), 0-100 sure

A turn that fails silences its agent: it abstains with the cause, the debate ends there, and the judge rules
on what was said. Without a proposal there is nothing to rule on, and the committee speaks in one round.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from agent_market.agents.agent_runner import AgentReply, AgentRunner
from agent_market.agents.debate.evidence import numbers_of, recalled_evidence
from agent_market.agents.diagnostics.diversity import dispersion_of
from agent_market.agents.prompts.user_prompt import Brief, Shown
from agent_market.agents.roles import Role
from agent_market.config import DebateSettings
from agent_market.llm.answers.schemas import Answer, Judgement, Objections, Proposal, Rebuttal
from agent_market.outcomes import expected_std
from agent_market.records import (
    DEPTH_LIMIT,
    AgentView,
    Debate,
    DebateTurn,
    Evidence,
    MarketView,
    Recall,
    Ruling,
)

EVIDENCE = "quant"


@dataclass(frozen=True, slots=True)
class DebateRoles:
    """The agents that take part in a full debate."""

    proposer: Role
    critic: Role
    judge: Role

    @classmethod
    def of(cls, roles: Mapping[str, Role], settings: DebateSettings) -> DebateRoles | None:
        """The debaters of a role table; None if one is missing or is not an `llm` agent."""
        named = [roles.get(name) for name in (settings.proposer, settings.critic, settings.judge)]
        proposer, critic, judge = (r if r is not None and r.source == "llm" else None for r in named)
        if proposer is None or critic is None or judge is None or judge.stage != 2:
            return None
        return cls(proposer, critic, judge)


@dataclass(frozen=True, slots=True)
class Argument:
    """A debate before the ruling: what was said, why it ended, and each debater's view at the end."""

    held_reason: str
    turns: tuple[DebateTurn, ...]
    ended_reason: str
    views: Mapping[str, AgentView]

    @property
    def proposal(self) -> DebateTurn | None:
        """The proposal, unless it failed."""
        first = self.turns[0]
        return None if first.silent_reason else first

    def unruled(self) -> Debate:
        """The record of a debate on which the judge gave no ruling."""
        return Debate(self.held_reason, self.turns, self.ended_reason)


def held_reason(
    views: Mapping[str, AgentView], view: MarketView, settings: DebateSettings, horizon: int
) -> str | None:
    """Why the first views call for a full debate; None where they do not.

    The stakes are the share of a full position that an expected move over the horizon would make or lose at
    the mean absolute depth of the views: mean |depth| / 10 * volatility_24 * sqrt(horizon).
    """
    if settings.mode != "auto":
        return "every decision is debated" if settings.mode == "full" else None
    spoken = [v for v in views.values() if not v.abstains]
    spread = dispersion_of(spoken)
    if len(spoken) > 1 and spread >= settings.dispersion:
        return f"dispersion {spread:.2f}, at least {settings.dispersion:g}"
    move = expected_std(view, horizon)
    if spoken and move is not None:
        stakes = math.fsum(abs(v.depth) for v in spoken) / len(spoken) / DEPTH_LIMIT * move
        if stakes >= settings.stakes:
            return f"stakes {stakes:.1%}, at least {settings.stakes:.1%}"
    return None


class Argue:
    """One debate up to the ruling. Used once."""

    def __init__(
        self,
        questioner: AgentRunner,
        brief: Brief,
        debaters: DebateRoles,
        settings: DebateSettings,
        views: Mapping[str, AgentView],
        histories: Mapping[str, Shown],
    ) -> None:
        """
        :param views: the first views of the committee, by agent.
        :param histories: what each debater is shown of its own past.
        """
        self._ask = questioner
        self._brief = brief
        self._debaters = debaters
        self._settings = settings
        self._views = dict(views)
        self._histories = histories
        self._speeches: list[DebateTurn] = []

    def hold(self, because: str, recall: Recall) -> Argument:
        """Hold the debate.

        :param because: why it is held.
        :param recall: the recalled cases that the prompts show, for the evidence.
        """
        ended = self._propose() or self._object()
        if ended is None:
            self._give_evidence(recall)
            ended = self._rebut()
        return Argument(because, tuple(self._speeches), ended, self._views)

    def _propose(self) -> str | None:
        (reply,) = self._put("proposal", self._debaters.proposer)
        if not isinstance(reply.said, Proposal):
            return self._silence(reply, "proposal")
        said = reply.said
        view = _view_of(reply.role.name, said, reply.key)
        levels = {"horizon": said.horizon, "invalidation": said.level}
        numbers = {"expected_return": said.expected_return} | {
            name: float(value) for name, value in levels.items() if value is not None
        }
        self._speak(reply, "proposal", view, (said.belief, *said.reasons), numbers)
        return None

    def _object(self) -> str | None:
        (reply,) = self._put("objections", self._debaters.critic)
        if not isinstance(reply.said, Objections):
            return self._silence(reply, "objections")
        view = self._moved(reply, reply.said.depth, reply.said.confidence, reply.said.objections)
        self._speak(reply, "objections", view, reply.said.objections)
        return None

    def _give_evidence(self, recall: Recall) -> None:
        proposed = self._views[self._debaters.proposer.name].depth
        quant = self._views.get(EVIDENCE)
        cases = recalled_evidence(recall, proposed)
        model = None if quant is None else quant.evidence
        speech = DebateTurn(
            agent=EVIDENCE,
            step="evidence",
            lines=(_in_words("Recalled cases", "went the proposal's way", cases), _model_in_words(model)),
            depth=None if quant is None or quant.abstains else quant.depth,
            confidence=None if quant is None or quant.abstains else quant.confidence,
            numbers={**numbers_of("recall", cases), **numbers_of("model", model)},
        )
        self._speeches.append(speech)

    def _rebut(self) -> str:
        for number in range(1, self._settings.max_rounds + 1):
            moved = 0.0
            replies = self._put("rebuttal", self._debaters.proposer, self._debaters.critic)
            silent = None
            for reply in replies:
                if not isinstance(reply.said, Rebuttal):
                    silent = self._silence(reply, "rebuttal", number)
                    continue
                moved = max(moved, abs(reply.said.depth - self._views[reply.role.name].depth))
                view = self._moved(reply, reply.said.depth, reply.said.confidence, (reply.said.rebuttal,))
                self._speak(reply, "rebuttal", view, (reply.said.rebuttal,), number=number)
            if silent is not None:
                return silent
            if number >= self._settings.min_rounds and moved <= self._settings.settled:
                return f"no depth moved by more than {self._settings.settled:g} in round {number}"
        return f"all {self._settings.max_rounds} rounds were held"

    def _put(self, step: str, *roles: Role) -> list[AgentReply]:
        said = tuple(self._speeches)
        shown = [self._histories[role.name]._replace(debate=said or None) for role in roles]
        return self._ask.put(self._brief, step, list(zip(roles, shown, strict=True)))  # type: ignore[arg-type]

    def _moved(self, reply: AgentReply, depth: float, confidence: float, lines: tuple[str, ...]) -> AgentView:
        """The debater's view after a turn: new numbers, its own belief, and its newest words as reasons."""
        name = reply.role.name
        held = self._views[name]
        level = held.invalidation
        return AgentView(
            agent=name,
            depth=depth,
            confidence=confidence,
            belief=held.belief,
            reasons=lines,
            answer_key=reply.key,
            horizon=held.horizon,
            invalidation=level if level is not None and level * depth < 0 else None,
        )

    def _speak(
        self,
        reply: AgentReply,
        step: str,
        view: AgentView,
        lines: tuple[str, ...],
        numbers: Mapping[str, float] | None = None,
        number: int = 0,
    ) -> None:
        self._views[reply.role.name] = view
        self._speeches.append(
            DebateTurn(
                agent=view.agent,
                step=step,  # type: ignore[arg-type]
                round=number,
                lines=lines,
                depth=view.depth,
                confidence=view.confidence,
                numbers=dict(numbers or {}),
                answer_key=reply.key,
            )
        )

    def _silence(self, reply: AgentReply, step: str, number: int = 0) -> str:
        cause = reply.silent_reason or f"no {step}"
        name = reply.role.name
        self._views[name] = AgentView.abstain(name, f"{step}: {cause}")
        self._speeches.append(DebateTurn(name, step, number, silent_reason=cause))  # type: ignore[arg-type]
        return f"{name} gave no {step}"


def rule(
    questioner: AgentRunner, brief: Brief, judge: Role, argument: Argument, shown: Shown
) -> tuple[AgentView, Debate]:
    """The judge's view and the finished debate.

    :param shown: the judge's history and the views of all other agents.
    :raises ValueError: there is no proposal to rule on.
    """
    if argument.proposal is None:
        raise ValueError("a debate without a proposal cannot be ruled on; ask the judge for its view")
    question = shown._replace(debate=argument.turns)
    (reply,) = questioner.put(brief, "ruling", [(judge, question)])
    if not isinstance(reply.said, Judgement):
        cause = reply.silent_reason or "no ruling"
        speech = DebateTurn(judge.name, "ruling", silent_reason=cause)
        debate = replace(argument.unruled(), turns=(*argument.turns, speech))
        return AgentView.abstain(judge.name, f"ruling: {cause}"), debate
    said = reply.said
    depth = _ruled_depth(said, argument)
    view = AgentView(
        agent=judge.name,
        depth=depth,
        confidence=said.confidence / 100.0,
        belief=f"Ruling: {said.ruling}, {said.confidence} of 100 sure.",
        reasons=said.reasons,
        answer_key=reply.key,
    )
    speech = DebateTurn(
        judge.name, "ruling", 0, said.reasons, depth, view.confidence, {}, answer_key=reply.key
    )
    return view, Debate(
        held_reason=argument.held_reason,
        turns=(*argument.turns, speech),
        ended_reason=argument.ended_reason,
        ruling=said.ruling,
        ruling_confidence=said.confidence,
    )


def _ruled_depth(said: Judgement, argument: Argument) -> float:
    """Execute trades the proposer's last stated depth; only stated depths are traded."""
    ruling: Ruling = said.ruling
    if ruling == "abandon":
        return 0.0
    if ruling == "adjust":
        return said.depth
    proposal = argument.proposal
    assert proposal is not None
    stands = [s.depth for s in argument.turns if s.agent == proposal.agent and s.depth is not None]
    return stands[-1]


def _view_of(agent: str, said: Answer, key: str) -> AgentView:
    return AgentView(
        agent=agent,
        depth=said.depth,
        confidence=said.confidence,
        belief=said.belief,
        reasons=said.reasons,
        answer_key=key,
        horizon=said.horizon,
        invalidation=said.level,
    )


def _model_in_words(evidence: Evidence | None) -> str:
    return _in_words("The trained model", "had the sign right", evidence)


def _in_words(what: str, did: str, evidence: Evidence | None) -> str:
    if evidence is None:
        return f"{what}: none to count."
    payoff = "undefined" if evidence.payoff is None else f"{evidence.payoff:.2f}"
    return (
        f"{what} {did} in {evidence.win_rate:.0%} of {evidence.cases} cases "
        f"(95% interval {evidence.low:.0%} to {evidence.high:.0%}), pay-off ratio {payoff}."
    )
