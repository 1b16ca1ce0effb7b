"""A span made ready for scoring: nothing on the bench is later than the span's end."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from agent_market.config import AgentMarketSettings
from agent_market.errors import DataError
from agent_market.factors.engine import Engine
from agent_market.factors.mining.records import Span
from agent_market.factors.panel import Array, CandlePanel
from agent_market.factors.scoring.joint import FactorEvidence, JointModel
from agent_market.factors.scoring.kernels import correlations, standard_scores
from agent_market.factors.scoring.scorer import FactorScore, Scorer, Screening
from agent_market.factors.scoring.settings import ScoringSettings
from agent_market.factors.tree import Tree
from agent_market.factors.warmup import lookback


class Bench:
    """Scores trees on one span; the panel is cut at its end, and before it only the warm-up is kept."""

    def __init__(self, panel: CandlePanel, span: Span, settings: AgentMarketSettings) -> None:
        """
        :raises DataError: the panel has too few rows in the span, or too few pairs.
        """
        mining = settings.mining
        stop = int(panel.times.searchsorted(pd.Timestamp(span.end), side="right"))
        start = int(panel.times.searchsorted(pd.Timestamp(span.start), side="left"))
        first = max(start - mining.longest_lookback, 0)
        if stop - start <= mining.horizon * mining.screen_every:
            raise DataError(
                f"the span {span} holds {max(stop - start, 0)} candles; the horizon {mining.horizon} needs "
                "more: download more candles or name a longer span"
            )
        self.span = span
        self.panel = panel.window(first, stop)
        self._start = start - first
        self._engine = Engine(self.panel)
        cost = settings.costs.fee + settings.costs.slippage
        full = ScoringSettings(horizon=mining.horizon, cost=cost)
        thin = ScoringSettings(horizon=mining.horizon, every=mining.horizon * mining.screen_every, cost=cost)
        self.scoring = full
        self._full = Scorer(self.panel, full, self._start)
        self._thin = Scorer(self.panel, thin, self._start)

    @property
    def minutes(self) -> int:
        return self.panel.minutes

    def values(self, tree: Tree) -> Array:
        """The tree on the whole panel, (pairs, times)."""
        return self._engine.evaluate(tree)

    def screen(self, tree: Tree) -> Screening:
        """IC, rank IC and coverage on the screening sample."""
        return self._thin.screen(self.values(tree), self._warm_up(tree))

    def series(self, tree: Tree) -> Array:
        """Rank IC at each time of the screening sample, (times,), 0 where there is none: finite."""
        sample = self._thin.sample
        ranked = correlations(
            sample.take(self.values(tree)), sample.returns[self.scoring.horizon], self.scoring.min_pairs
        )[1]
        return np.nan_to_num(ranked)

    @property
    def occasions(self) -> list[str]:
        """Names of the times of the screening sample, pairs and horizon in them."""
        return self._named(self._thin)

    @property
    def judged_occasions(self) -> list[str]:
        """Names of the times of the full sample."""
        return self._named(self._full)

    def sampled(self, tree: Tree) -> Array:
        """The tree at the times of the full sample, (times, pairs)."""
        return self._full.sample.take(self.values(tree))

    @property
    def returns(self) -> Array:
        """The return after each time of the full sample, (times, pairs)."""
        return self._full.sample.returns[self.scoring.horizon]

    def evidence(self, trees: Sequence[Tree]) -> FactorEvidence:
        """What the joint model needs of some trees on this span."""
        return FactorEvidence.of([self.sampled(tree) for tree in trees], self.returns, self.scoring.min_pairs)

    def joint_series(self, trees: Sequence[Tree], weights: Array) -> Array:
        """IC of the weighted trees at each time of the full sample, (times,), 0 where there is none."""
        least = self.scoring.min_pairs
        joint = np.zeros(self.returns.shape)
        for tree, weight in zip(trees, weights, strict=True):
            joint += weight * standard_scores(self.sampled(tree), least)
        return np.nan_to_num(correlations(joint, self.returns, least)[0])

    def joint_ic(self, trees: Sequence[Tree], weights: Array) -> float:
        """IC of the weighted trees over the span; NaN without a tree."""
        return JointModel(weights).ic(self.evidence(trees)) if trees else float("nan")

    def score(
        self,
        tree: Tree,
        pool: Mapping[str, Tree],
        direction: int | None = None,
        regimes: Array | None = None,
    ) -> FactorScore:
        """Everything about one tree; see `Scorer.score`.

        :param regimes: label of each row of the bench's panel.
        """
        scorer = (
            self._full if regimes is None else Scorer(self.panel, self.scoring, self._start, None, regimes)
        )
        others = {name: self.values(other) for name, other in pool.items()}
        return scorer.score(self.values(tree), self._warm_up(tree), others, direction)

    def _warm_up(self, tree: Tree) -> int:
        return lookback(tree, self.panel.minutes) - 1

    def _named(self, scorer: Scorer) -> list[str]:
        pairs = hashlib.sha256(" ".join(self.panel.pairs).encode()).hexdigest()[:8]
        return [f"{pairs}/h{self.scoring.horizon}/{time:%Y%m%d%H%M}" for time in self._times(scorer)]

    @property
    def times(self) -> list[datetime]:
        """The times of the screening sample."""
        return self._times(self._thin)

    @property
    def judged_times(self) -> list[datetime]:
        """The times of the full sample."""
        return self._times(self._full)

    def _times(self, scorer: Scorer) -> list[datetime]:
        return [time.to_pydatetime() for time in self.panel.times[scorer.sample.rows]]
