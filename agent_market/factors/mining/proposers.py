"""Who proposes factors: one short class each, behind one protocol."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from agent_market.config import MiningSettings, Proposer
from agent_market.factors.generate import random_factor
from agent_market.factors.mining.parsing import limits_of
from agent_market.factors.mining.records import FactorProposal, Situation
from agent_market.factors.mining.seed_factors import CLASSICS
from agent_market.factors.mining.variation import vary
from agent_market.factors.types import FIELDS

PARENTS = 20
NEWCOMERS = 0.15


class FactorProposer(Protocol):
    """A source of expressions.

    `propose` gives at most `count` proposals, good or bad: they are read, refused and counted elsewhere.
    The same situation and generator give the same proposals.  None at all means that it has no more.
    """

    @property
    def name(self) -> Proposer:
        """Which arm of the bandit it is."""
        ...

    def propose(
        self, situation: Situation, count: int, random: np.random.Generator
    ) -> tuple[FactorProposal, ...]:
        """
        :raises ModelUnavailable: a model that it asks gave no answer (`BudgetExhausted`: and will not).
        :raises AnswerInvalid: the answer was none.
        """
        ...


class LibraryProposer:
    """The classics, each once, in an order drawn from the seed."""

    name: Proposer = "library"

    def __init__(self, seed: int) -> None:
        order = np.random.default_rng([seed, len(CLASSICS)]).permutation(len(CLASSICS))
        self._left = [CLASSICS[i] for i in order]

    def propose(
        self, situation: Situation, count: int, random: np.random.Generator
    ) -> tuple[FactorProposal, ...]:
        taken, self._left = self._left[:count], self._left[count:]
        return tuple(FactorProposal(expression, f"published ({source})") for source, expression in taken)


class GeneticProposer:
    """Variations of the pool and of the best that were scored, with some newcomers from nothing."""

    name: Proposer = "genetic"

    def __init__(self, settings: MiningSettings) -> None:
        self._limits = limits_of(settings.longest_lookback)

    def propose(
        self, situation: Situation, count: int, random: np.random.Generator
    ) -> tuple[FactorProposal, ...]:
        pool = [member.scored.tree for member in situation.pool]
        held = {tree.digest for tree in pool}
        others = [one.tree for one in situation.best if one.tree.digest not in held]
        parents = (pool + others)[:PARENTS]
        return tuple(self._one(parents, random) for _ in range(count))

    def _one(self, parents: list, random: np.random.Generator) -> FactorProposal:  # type: ignore[type-arg]
        if not parents or random.random() < NEWCOMERS:
            return FactorProposal(str(random_factor(random, limits=self._limits)), "drawn at random")
        return FactorProposal(
            str(vary(random, parents, FIELDS, self._limits)), "varied from what scored well"
        )
