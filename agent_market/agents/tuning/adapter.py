"""gepa's view of our problem: a candidate is the texts of one role's prompt, its score the mean reward.

gepa (Agrawal et al. 2025) proposes, compares on a minibatch, and keeps a pool of candidates; it is given the
training span only.  Nothing that it believes to have found counts before the validation span has spoken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gepa import EvaluationBatch, GEPAAdapter

from agent_market.agents.tuning.cases import TuningCase
from agent_market.agents.tuning.findings import findings
from agent_market.agents.tuning.panel import PromptPanel
from agent_market.agents.tuning.reflection import Reflector
from agent_market.agents.tuning.versions import prompt_version
from agent_market.config import DecisionSettings
from agent_market.errors import AnswerInvalid, ModelUnavailable, PromptLeak
from agent_market.records import AgentView

Texts = dict[str, str]

MOST_FAILURES = 3
"""So many reflections in a row without a usable text end the search."""


@dataclass(frozen=True, slots=True)
class PromptProposal:
    """A candidate that was proposed: its texts, the version it came from, and its score on its minibatch."""

    version: str
    texts: Mapping[str, str]
    parent: str
    part: str


@dataclass(slots=True)
class PromptSearch:
    """What has happened so far: attempts to propose, failures in a row, and what was proposed, by version."""

    attempts: int = 0
    failures: list[Exception] = field(default_factory=list)
    proposals: dict[str, PromptProposal] = field(default_factory=dict)
    minibatches: dict[str, tuple[TuningCase, ...]] = field(default_factory=dict)


class CommitteeAdapter(GEPAAdapter[TuningCase, TuningCase, AgentView]):
    """`gepa.GEPAAdapter` over a `PromptPanel`. Higher scores are better; an abstention scores 0.

    Failing to get *answers* raises, for a prompt is not judged by an endpoint's bad day; failing to get a
    new *text* is counted, and the search goes on without it.
    """

    def __init__(
        self,
        panel: PromptPanel,
        reflector: Reflector,
        settings: DecisionSettings,
        shown: int,
        on_proposal: Callable[[PromptProposal], None] = lambda proposal: None,
    ) -> None:
        self.search = PromptSearch()
        self._panel = panel
        self._reflector = reflector
        self._settings = settings
        self._shown = shown
        self._on_proposal = on_proposal

    def evaluate(
        self, batch: list[TuningCase], candidate: Texts, capture_traces: bool = False
    ) -> EvaluationBatch[TuningCase, AgentView]:
        """Ask the role with the candidate's texts about each case."""
        views = self._panel.views(candidate, batch)
        version = prompt_version(self._panel.role.name, candidate)
        self.search.minibatches.setdefault(version, tuple(batch))
        return EvaluationBatch(
            outputs=views,
            scores=[case.reward(view, self._settings) for case, view in zip(batch, views, strict=True)],
            trajectories=list(batch) if capture_traces else None,
        )

    def make_reflective_dataset(
        self,
        candidate: Texts,
        eval_batch: EvaluationBatch[TuningCase, AgentView],
        components_to_update: list[str],
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """One record a part: the figures over the whole batch."""
        cases = eval_batch.trajectories or []
        return {
            part: [
                findings(
                    self._panel.role,
                    part,
                    candidate[part],
                    cases,
                    eval_batch.outputs,
                    eval_batch.scores,
                    self._shown,
                    self._panel.disguises,
                )
            ]
            for part in components_to_update
        }

    def propose_new_texts(
        self,
        candidate: Texts,
        reflective_dataset: Mapping[str, Sequence[Mapping[str, Any]]],
        components_to_update: list[str],
    ) -> Texts:
        """New texts for the parts to update; none for a part whose reflection failed."""
        self.search.attempts += 1
        role, parent = self._panel.role.name, prompt_version(self._panel.role.name, candidate)
        new: Texts = {}
        for part in components_to_update:
            try:
                text = self._reflector.propose(part, reflective_dataset[part][0])
                self._refuse_a_leak(text)
            except (ModelUnavailable, AnswerInvalid, PromptLeak) as error:
                self.search.failures.append(error)
                continue
            self.search.failures.clear()
            new[part] = text
            texts = {**candidate, **new}
            proposal = PromptProposal(prompt_version(role, texts), texts, parent, part)
            if proposal.version != parent and proposal.version not in self.search.proposals:
                self.search.proposals[proposal.version] = proposal
                self._on_proposal(proposal)
        return new

    def _refuse_a_leak(self, text: str) -> None:
        """No prompt with it is ever sent: the agent would fall silent, and silence earns more than a loss."""
        leak = self._panel.disguises.leak(text)
        if leak is not None:
            raise PromptLeak(f"the new text holds {leak}")

    @property
    def given_up(self) -> bool:
        """Whether too many reflections in a row gave no text."""
        return len(self.search.failures) >= MOST_FAILURES
