"""Putting one step to some agents, and collecting an answer or a cause of silence from each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from agent_market.agents.prompts.system_prompt import FORMS, StepName, system_message
from agent_market.agents.prompts.user_prompt import Brief, Shown
from agent_market.agents.roles import Role
from agent_market.config import LLMSettings
from agent_market.llm.answers.request import RequestForm
from agent_market.llm.answers.schemas import Said
from agent_market.llm.answers.sources import Answers
from agent_market.llm.endpoints.failures import FailureLog


class AgentReply(NamedTuple):
    """What one agent answered, or `silent_reason`; exactly one of the two is set."""

    role: Role
    said: Said | None
    key: str
    silent_reason: str | None = None


class AgentRunner:
    """Asks agents. Thread-safe if `answers` is."""

    def __init__(
        self, answers: Answers, glossary: Mapping[str, str] | None = None, is_masked: bool = True
    ) -> None:
        """
        :param glossary: meaning of each feature by name, for the system messages.
        :param is_masked: whether prompts hide which market and moment they are about.
        """
        self.answers = answers
        self._glossary = glossary
        self._is_masked = is_masked
        self._failures = FailureLog()
        # By name, for a role is large to hash; the role beside the form tells whether it is still the same.
        self._forms: dict[tuple[str, StepName], tuple[Role, RequestForm]] = {}

    def put(self, brief: Brief, step: StepName, questions: Sequence[tuple[Role, Shown]]) -> list[AgentReply]:
        """Put a step to some agents at once; return their replies in the same order.

        :raises ReplayMiss: replay mode, and an answer was never recorded.
        :raises StoreError: the answer store cannot be read.
        """
        if not questions:
            return []
        requests = [
            self._form(role, step).fill(brief.user_message(role, shown, step), brief.guard)
            for role, shown in questions
        ]
        replies = []
        for (role, _), request, reply in zip(questions, requests, self.answers.ask(requests), strict=True):
            if isinstance(reply, Said):
                self._failures.answered(role.name)
                replies.append(AgentReply(role, reply, request.key))
            else:
                self._failures.failed(role.name, reply)
                replies.append(AgentReply(role, None, request.key, f"{type(reply).__name__}: {reply}"))
        return replies

    def _form(self, role: Role, step: StepName) -> RequestForm:
        held = self._forms.get((role.name, step))
        if held is not None and (held[0] is role or held[0] == role):
            return held[1]
        system = system_message(role, self._glossary, step, self._is_masked)
        form = RequestForm(role.name, system, self._llm(role), FORMS[step])
        self._forms[role.name, step] = role, form
        return form

    def _llm(self, role: Role) -> LLMSettings:
        llm = self.answers.llm
        return llm.deep_tier() if role.tier == "deep" else llm
