"""The bounded, decorrelated pool: a factor is worth what it adds to the joint model of all.

The pool follows alphagen's linear combination (Yu et al. 2023, "Generating synergistic formulaic alpha
collections via reinforcement learning"): a newcomer is put beside the others, the joint weights are fitted
again, and beyond the capacity the smallest |weight| goes.  Before that it must be new in form (largest common
subtree, AlphaAgent, Tang et al. 2025) and in values (rank correlation): else it may only take the place of
the one it resembles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from agent_market.config import MiningSettings
from agent_market.factors.mining.records import Member, Scored
from agent_market.factors.novelty import distance
from agent_market.factors.panel import Array
from agent_market.factors.scoring.ic import rank_ic
from agent_market.factors.scoring.joint import FactorEvidence, JointModel
from agent_market.factors.tree import Tree


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A factor with its values at the sampled times, (times, pairs)."""

    scored: Scored
    values: Array


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Factors with their joint weights; immutable, `offered` gives the pool after a candidate.

    `joint_ic` is that of the weighted sum on the search span, 0 for an empty pool.
    """

    returns: Array
    min_pairs: int
    settings: MiningSettings
    entries: tuple[Entry, ...] = ()
    weights: Array = field(default_factory=lambda: np.empty(0))
    joint_ic: float = 0.0

    @property
    def members(self) -> tuple[Member, ...]:
        """Factors and weights, largest |weight| first."""
        pairs = [Member(e.scored, float(w)) for e, w in zip(self.entries, self.weights, strict=True)]
        return tuple(sorted(pairs, key=lambda m: (-abs(m.weight), m.scored.tree.digest)))

    def aligned(self, trees: Sequence[Tree]) -> Array:
        """Weights in the order of `trees`, which are those of the pool."""
        by_hash = {e.scored.tree.digest: float(w) for e, w in zip(self.entries, self.weights, strict=True)}
        return np.array([by_hash[tree.digest] for tree in trees])

    def offered(self, scored: Scored, values: Array) -> tuple[Pool, Scored]:
        """The pool after a candidate, and the candidate with what became of it."""
        if scored.tree.digest in {entry.scored.tree.digest for entry in self.entries}:
            return self, replace(scored, outcome="is in the pool already")
        alike = [entry for entry in self.entries if self._alike(scored, values, entry)]
        if len(alike) > 1:
            return self, replace(scored, outcome=f"resembles {len(alike)} factors of the pool")
        kept = [entry for entry in self.entries if entry not in alike]
        found = self._fitted([*kept, Entry(scored, values)])
        gain = found.joint_ic - self.joint_ic
        stays = scored.tree.digest in {entry.scored.tree.digest for entry in found.entries}
        if not stays or gain < self.settings.least_gain:
            why = f"adds {gain:+.4f} to the joint IC; {self.settings.least_gain:g} is needed"
            if alike:
                why = f"resembles `{alike[0].scored.tree}` and is no better in its place"
            return self, replace(scored, joint_gain=gain, outcome=why)
        accepted = replace(scored, joint_gain=gain, outcome="in the pool", accepted=True)
        entries = tuple(replace(e, scored=accepted) if e.scored is scored else e for e in found.entries)
        return replace(found, entries=entries), accepted

    def _fitted(self, entries: Sequence[Entry]) -> Pool:
        """The joint model of `entries`, less the smallest weight while they are too many."""
        while True:
            evidence = FactorEvidence.of([entry.values for entry in entries], self.returns, self.min_pairs)
            model = JointModel.fit(evidence)
            if len(entries) <= self.settings.pool:
                ic = model.ic(evidence)
                joint = 0.0 if np.isnan(ic) else ic
                return replace(self, entries=tuple(entries), weights=model.weights, joint_ic=joint)
            least = int(np.argmin(np.abs(model.weights)))
            entries = [entry for i, entry in enumerate(entries) if i != least]

    def _alike(self, scored: Scored, values: Array, entry: Entry) -> bool:
        if distance(scored.tree, entry.scored.tree) < self.settings.least_novelty:
            return True
        series = rank_ic(values, entry.values, self.min_pairs)
        there = series[~np.isnan(series)]
        return bool(len(there)) and abs(float(there.mean())) > self.settings.most_correlation
