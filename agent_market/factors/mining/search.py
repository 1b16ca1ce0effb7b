"""The search itself: who proposes, what is read, screened and offered to the pool, batch by batch."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from agent_market.config import MiningSettings
from agent_market.errors import AnswerInvalid, BudgetExhausted, ModelUnavailable, PromptLeak
from agent_market.factors.mining.bandit import Arm, Bandit
from agent_market.factors.mining.checkpoint import Batch, Checkpoint
from agent_market.factors.mining.parsing import read
from agent_market.factors.mining.pool import Pool
from agent_market.factors.mining.proposers import FactorProposer
from agent_market.factors.mining.records import (
    Earlier,
    FactorProposal,
    Failure,
    ProposerName,
    Scored,
    Situation,
)
from agent_market.factors.mining.scoring_context import Bench
from agent_market.factors.tree import Tree
from agent_market.store.database import Database
from agent_market.store.trials import record_trials, trial_of

logger = logging.getLogger(__name__)

Say = Callable[[str], None]

SILENT_BATCHES = 2
"""A model that gave no answer so many times in a row is asked no more in this run."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search ends with, before the later span has been looked at."""

    pool: Pool
    scored: tuple[Scored, ...]
    failures: tuple[Failure, ...]
    arms: tuple[Arm, ...]


class FactorSearch:
    """One run over one span; deterministic but for what models answer, and that is kept in `checkpoint`."""

    def __init__(
        self,
        bench: Bench,
        settings: MiningSettings,
        proposers: Sequence[FactorProposer],
        database: Database,
        study: str,
        checkpoint: Checkpoint,
        earlier: Sequence[Earlier] = (),
        lessons: Sequence[str] = (),
        failures: Sequence[Failure] = (),
    ) -> None:
        """
        :param earlier: the pool of the round before; it is tried first.
        :param failures: of the round before, for the prompts; they count as nothing here.
        """
        self._bench = bench
        self._settings = settings
        self._proposers: Mapping[str, FactorProposer] = {p.name: p for p in proposers}
        self._bandit = Bandit.over([p.name for p in proposers])
        self._database = database
        self._study = study
        self._checkpoint = checkpoint
        self._earlier = tuple(earlier)
        self._lessons = tuple(lessons)
        self._old_failures = tuple(failures)
        self._pool = Pool(bench.returns, bench.scoring.min_pairs, settings)
        self._scored: list[Scored] = []
        self._failures: list[Failure] = []
        self._tried: set[str] = set()
        self._silent = 0

    def run(self, say: Say) -> Found:
        """Try candidates until the number is reached, or every proposer is exhausted.

        :raises StoreError: the ledger or the checkpoint cannot be written: then nothing is counted.
        :raises ReplayMiss: replay mode, and an answer was never recorded.
        """
        settings = self._settings
        if self._earlier:
            proposals = tuple(FactorProposal(one.expression, one.rationale) for one in self._earlier)
            self._score("earlier", proposals)
            say(f"the round before: {len(self._pool.entries)} of {len(proposals)} factors hold on this span")
        number = done = 0
        while done < settings.candidates:
            name = self._bandit.choose(np.random.default_rng([settings.seed, number, 0]))
            if name is None:
                say(f"all proposers are exhausted after {done} candidates")
                break
            batch = self._answered(number, name, min(settings.batch, settings.candidates - done))
            accepted = self._score(name, batch.proposals)
            self._bandit = self._bandit.updated(name, len(batch.proposals), accepted)
            self._note(batch)
            done += len(batch.proposals)
            number += 1
            say(
                f"batch {number}: {name}, {accepted} of {len(batch.proposals)} into the pool of "
                f"{len(self._pool.entries)}, joint IC {self._pool.joint_ic:+.4f}; "
                f"{done} of {settings.candidates} candidates"
            )
        return Found(self._pool, tuple(self._scored), tuple(self._failures), self._bandit.arms)

    def situation(self, batch: int) -> Situation:
        """What the next proposer may go by."""
        return Situation(
            batch=batch,
            pool=self._pool.members,
            scored=tuple(self._scored),
            failures=(*self._old_failures, *self._failures),
            lessons=self._lessons,
            horizon=self._settings.horizon,
            minutes=self._bench.minutes,
            joint_ic=self._pool.joint_ic,
            earlier=self._earlier,
        )

    def _answered(self, number: int, name: ProposerName, count: int) -> Batch:
        """The proposals of a batch. Proposers that cost nothing are asked again when a run goes on."""
        held = self._checkpoint.get(number)
        if held is not None and name == "llm":
            return held
        batch = self._ask(number, name, count)
        if held is None:
            self._checkpoint.keep(batch)
        return batch

    def _ask(self, number: int, name: ProposerName, count: int) -> Batch:
        random = np.random.default_rng([self._settings.seed, number, 1])
        try:
            proposals = self._proposers[name].propose(self.situation(number), count, random)
        except BudgetExhausted as error:
            return Batch(number, name, problem=str(error), retire=True)
        except (ModelUnavailable, AnswerInvalid, PromptLeak) as error:
            return Batch(number, name, problem=str(error))
        return Batch(number, name, proposals, retire=not proposals and name == "library")

    def _note(self, batch: Batch) -> None:
        """Count silence, and retire a proposer that has no more to say."""
        if batch.proposer == "earlier":
            return
        if batch.problem is not None:
            logger.warning("no factors of %s in batch %d: %s", batch.proposer, batch.number, batch.problem)
            self._failures.append(Failure(batch.proposer, "", batch.problem))
        if batch.proposer == "llm":
            self._silent = 0 if batch.proposals else self._silent + 1
        if batch.retire:
            why = batch.problem or "it has no more"
        elif batch.proposer == "llm" and self._silent >= SILENT_BATCHES:
            why = batch.problem or "it gave no factors"
        else:
            return
        self._bandit = self._bandit.retired(batch.proposer, why)

    def _score(self, name: ProposerName, proposals: Sequence[FactorProposal]) -> int:
        """Screen what can be read, put all of it on the ledger, offer the good to the pool."""
        settings, bench = self._settings, self._bench
        readable: list[tuple[Tree, FactorProposal]] = []
        for proposal in proposals:
            tree = read(
                proposal, name, self._tried, bench.panel.kinds, bench.minutes, settings.longest_lookback
            )
            if isinstance(tree, Failure):
                self._failures.append(tree)
                continue
            self._tried.add(tree.digest)
            readable.append((tree, proposal))
        self._enter([tree for tree, _ in readable])
        return sum(self._offer(name, tree, proposal) for tree, proposal in readable)

    def _enter(self, trees: Sequence[Tree]) -> None:
        """Each candidate is a trial, whatever comes of it."""
        occasions, times = self._bench.occasions, self._bench.times
        record_trials(
            self._database,
            [
                trial_of(self._study, tree.digest, occasions, times[0], times[-1], self._bench.series(tree))
                for tree in trees
            ],
        )

    def _offer(self, name: ProposerName, tree: Tree, proposal: FactorProposal) -> bool:
        screening = self._bench.screen(tree)
        scored = Scored(
            tree=tree,
            proposer=name,
            rationale=proposal.rationale,
            rank_ic=screening.rank_ic.mean,
            icir=screening.rank_ic.ratio,
            t=screening.rank_ic.t,
            coverage=screening.coverage,
            joint_gain=math.nan,
            outcome="",
            accepted=False,
        )
        if screening.rejected is not None:
            self._failures.append(Failure(name, str(tree), screening.rejected))
            return False
        if not abs(scored.t) >= self._settings.least_t:
            outcome = f"|t| of {abs(scored.t):.2f} in screening; {self._settings.least_t:g} is needed"
            self._scored.append(replace(scored, outcome=outcome))
            return False
        self._pool, scored = self._pool.offered(scored, self._bench.sampled(tree))
        self._scored.append(scored)
        return scored.accepted
