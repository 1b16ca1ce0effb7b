"""Ask one agent again about recorded decisions; all others keep their recorded views."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from agent_market.agents.committee import Committee
from agent_market.agents.roles import Role
from agent_market.agents.tuning.cases import TuningCase
from agent_market.agents.tuning.versions import prompt_version, with_texts
from agent_market.config import LLMSettings
from agent_market.errors import ModelUnavailable
from agent_market.llm.answers.request import Request
from agent_market.llm.answers.sources import Answers, Reply
from agent_market.llm.decision_context import decision_context
from agent_market.llm.endpoints.completion import RequestTotals
from agent_market.records import AgentView

Seating = Callable[[Sequence[Role]], Committee]
"""A committee of this role table, over one source of answers that it does not own."""


class PromptPanel:
    """Asks `role` with any texts. What was answered once is kept, beside the store that keeps it for good.

    Thread-safe where the answers are.
    """

    def __init__(self, role: Role, table: Sequence[Role], seating: Seating, workers: int) -> None:
        """
        :param role: the agent to ask, an `llm` one of `table`.
        :param workers: how many decisions are asked about at the same time.
        """
        self.role = role
        self._table = tuple(table)
        self._seating = seating
        self._workers = workers
        self._known: dict[str, dict[str, AgentView]] = {}
        self.disguises = seating(self._recorded_but_for(role)).disguises
        """What the prompts of the agent hide."""

    def views(self, texts: Mapping[str, str], cases: Sequence[TuningCase]) -> list[AgentView]:
        """The role's view on each case with `texts` in its prompt, in their order; an abstention is one.

        :raises ReplayMiss: replay mode, and an answer was never recorded.
        """
        known = self._known.setdefault(prompt_version(self.role.name, texts), {})
        missing = [case for case in {case.id: case for case in cases}.values() if case.id not in known]
        if missing:
            committee = self._seating(self._recorded_but_for(with_texts(self.role, texts)))
            with ThreadPoolExecutor(self._workers, thread_name_prefix="agent-market-tuning") as pool:
                for case, view in zip(
                    missing, pool.map(lambda case: self._view(committee, case), missing), strict=True
                ):
                    known[case.id] = view
        return [known[case.id] for case in cases]

    def _view(self, committee: Committee, case: TuningCase) -> AgentView:
        episode = case.episode
        given = {view.agent: view for view in episode.views if view.agent != self.role.name}
        with decision_context(f"tuning {self.role.name} {case.id}"):
            views = committee.ask(episode.view, episode.recall, given, case.before)
        return next(view for view in views if view.agent == self.role.name)

    def _recorded_but_for(self, asked: Role) -> tuple[Role, ...]:
        """The others keep their recorded views; stage-2 agents, whose views no agent reads, are left out."""
        return tuple(
            asked if role.name == asked.name else replace(role, source="model")
            for role in self._table
            if role.name == asked.name or role.stage == 1
        )


class StrictAnswers:
    """A source of answers in which an endpoint that gives none is an error, not an abstention.

    A prompt is not judged by an endpoint's bad day, nor by a budget that ran out halfway.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    @property
    def llm(self) -> LLMSettings:
        return self._answers.llm

    @property
    def usage(self) -> RequestTotals:
        return self._answers.usage

    def is_tight(self, decision: str) -> bool:
        return self._answers.is_tight(decision)

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        """See `Answers.ask`.

        :raises ModelUnavailable: an endpoint gave no answer, or the budget forbade to ask.
        """
        replies = self._answers.ask(requests)
        for reply in replies:
            if isinstance(reply, ModelUnavailable):
                raise ModelUnavailable(
                    f"{reply}. What was answered is kept: run the same command again to go on from there"
                ) from reply
        return replies

    def close(self) -> None:
        self._answers.close()
