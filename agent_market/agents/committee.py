"""The committee at work: stage-1 agents are asked together, those of stage 2 after them, with their views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from agent_market.agents.answer import Answer, Said
from agent_market.agents.failures import FailureLog
from agent_market.agents.feedback import FeedbackBook
from agent_market.agents.prompts import Brief, system_message
from agent_market.agents.replay import Answers, Reply, open_answers
from agent_market.agents.request import Request, RequestForm
from agent_market.agents.roles import Role, role_table
from agent_market.config import AgentMarketSettings
from agent_market.records import AgentView, MarketView, Recall
from agent_market.store.database import Database


class Committee:
    """Asks every agent of a role table for its view of one decision. Thread-safe if `answers` is."""

    def __init__(
        self,
        roles: Sequence[Role],
        answers: Answers,
        feedback: FeedbackBook | None = None,
        neighbours: int = 8,
        glossary: Mapping[str, str] | None = None,
    ) -> None:
        """
        :param roles: the table, as `role_table` gives it; views come back in its order.
        :param neighbours: how many recalled cases a prompt shows.
        :param glossary: meaning of each feature by name, for the system messages.
        """
        self.roles = tuple(roles)
        self.answers = answers
        self._feedback = feedback or FeedbackBook()
        self._neighbours = neighbours
        self._failures = FailureLog()
        self._stages: tuple[tuple[int, list[RequestForm]], ...] = tuple(
            (
                stage,
                [
                    RequestForm(role.name, system_message(role, glossary), answers.llm)
                    for role in self.roles
                    if role.source == "llm" and role.stage == stage
                ],
            )
            for stage in (1, 2)
        )

    def ask(self, view: MarketView, recall: Recall, given: Mapping[str, AgentView]) -> tuple[AgentView, ...]:
        """Every agent's view or abstention, in table order.

        :param given: the views of agents that no endpoint is asked for, by role name ("quant", "memory");
            one that is missing is an abstention.
        :raises ReplayMiss: replay mode, and an answer was never recorded.
        :raises StoreError: the answer store cannot be read.
        :raises DataError: the view holds a number that is not finite.
        """
        brief = Brief(view, recall, self._feedback.at(view.asof), self._neighbours)
        views = {role.name: _given(role, given) for role in self.roles if role.source != "llm"}
        for stage, forms in self._stages:
            if not forms:
                continue
            # Shown in table order, not in the order of arrival: the prompt must not depend on luck.
            seen = [views[role.name] for role in self.roles if role.name in views] if stage == 2 else None
            requests = [form.fill(brief.user_message(form.role, seen)) for form in forms]
            replies = self.answers.ask(requests)
            for request, reply in zip(requests, replies, strict=True):
                views[request.role] = self._view(request, reply)
        return tuple(views[role.name] for role in self.roles)

    def close(self) -> None:
        """Close the source of answers."""
        self.answers.close()

    def _view(self, request: Request, reply: Reply) -> AgentView:
        if not isinstance(reply, Said):
            self._failures.failed(request.role, reply)
            return AgentView.abstain(request.role, f"{type(reply).__name__}: {reply}")
        self._failures.answered(request.role)
        assert isinstance(reply, Answer), "what is asked for here is a view"
        return AgentView(
            agent=request.role,
            depth=reply.depth,
            confidence=reply.confidence,
            belief=reply.belief,
            reasons=reply.reasons,
            answer_key=request.key,
        )


def open_committee(
    settings: AgentMarketSettings,
    database: Database,
    user_data: Path,
    glossary: Mapping[str, str] | None = None,
) -> Committee:
    """The committee of a config. A relative `agents.feedback_file` is taken from `user_data`.

    :raises ConfigError: the role table or the feedback file of the config is wrong.
    """
    path = settings.agents.feedback_file
    return Committee(
        roles=role_table(settings.agents),
        answers=open_answers(settings.llm, database),
        feedback=FeedbackBook.load(user_data / path if path else None, settings.agents.feedback_entries),
        neighbours=settings.memory.k,
        glossary=glossary,
    )


def _given(role: Role, given: Mapping[str, AgentView]) -> AgentView:
    return given.get(role.name) or AgentView.abstain(role.name, f"no view came from the {role.source}")
