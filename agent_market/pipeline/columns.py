"""Names and meaning of the columns that `AgentEnsemble` hands to a strategy: the one authority on them.

Every column is numeric and finite, for freqtrade fills what it misses with zeros (live, on restarts and
skipped candles).  So nothing is coded as NaN: **an agent that abstains has weight 0**, a row without a
decision has all weights 0 and `decision_time` 0, and recall rows carry a count.

| column | unit | meaning |
|---|---|---|
| `depth_<agent>` | -10..10 | the agent's depth at the decision that holds |
| `confidence_<agent>` | 0..1 | its confidence |
| `weight_<agent>` | 0..1 | its learned weight; 0 = abstained |
| `contribution_<agent>` | -10..10 | weight times depth; with `net_shift` they sum to `fused_depth` |
| `turns_<agent>` | 0, 1 | whether the fused depth would have the other sign without it |
| `dispersion` | 0..1 | agent expectation dispersion of the decision (`agents.diagnostics`) |
| `fused_depth` | -10..10 | weighted fusion, before risk |
| `net_shift` | -20..20 | what the decision net moved the fused depth by; 0 where it is not in force |
| `net_weights`, `net_depth` | 0, 1 | whether the weight net, the decision net was in force; else the prior |
| `traded_depth` | -10..10 | after risk: what may be traded |
| `confidence_calibrated` | 0..1 | the decision's confidence as a hit rate (`decision.calibration`) |
| `confidence_usable` | 0, 1 | whether its error on the newest outcomes is small enough to size by it |
| `risk_scale_long`, `risk_scale_short` | 0..1 | what risk leaves of a long or short depth of that size |
| `recall_count` | count | neighbours recalled |
| `recall_return_<i>`, `recall_distance_<i>` | fraction, - | the i-th nearest neighbour, 0 beyond the count |
| `decision_time` | s since epoch | when the decision that holds was made; 0 = none |
| `decision_age` | candles | its age at this row |
| `depth_correlation`, `error_correlation` | -1..1 | how alike agents spoke and erred of late; 0 unknown |
| `quant_depth_now` | -10..10 | the model's depth on *this* candle, whether decided on or not |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from agent_market.agents.diagnostics.diversity import dispersion_of, turners
from agent_market.decision.nets.bundle import DECISION_NET, WEIGHT_NET
from agent_market.pipeline.diversity_columns import NAMES as CORRELATIONS
from agent_market.records import AgentView, Episode
from agent_market.utils.arrays import Floats


@dataclass(frozen=True, slots=True)
class HeldDecision:
    """One episode as the numbers that its rows carry."""

    asof_s: int
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ColumnSchema:
    """The columns for one committee and one recall width."""

    agents: tuple[str, ...]
    k_max: int

    def held(self) -> tuple[str, ...]:
        """Columns that hold their value from one decision to the next."""
        return (
            *(f"depth_{a}" for a in self.agents),
            *(f"confidence_{a}" for a in self.agents),
            *(f"weight_{a}" for a in self.agents),
            *(f"contribution_{a}" for a in self.agents),
            *(f"turns_{a}" for a in self.agents),
            "dispersion",
            "net_shift",
            "net_weights",
            "net_depth",
            "fused_depth",
            "traded_depth",
            "confidence_calibrated",
            "confidence_usable",
            "risk_scale_long",
            "risk_scale_short",
            "recall_count",
            *(f"recall_return_{i}" for i in range(self.k_max)),
            *(f"recall_distance_{i}" for i in range(self.k_max)),
            "decision_time",
        )

    def names(self) -> tuple[str, ...]:
        """All columns, in order."""
        return (*self.held(), "decision_age", *CORRELATIONS, "quant_depth_now")

    def row(
        self,
        episode: Episode,
        scale_long: float,
        scale_short: float,
        calibrated: float = 0.0,
        usable: bool = False,
    ) -> HeldDecision:
        """The held columns of one episode; `calibrated` and `usable` are those of its `Calibration`."""
        by_agent = {v.agent: v for v in episode.views}
        # Episodes of a bot before an agent was added have no view of it.
        views = [by_agent.get(a) or AgentView.abstain(a, "not in the committee then") for a in self.agents]
        neighbours = episode.recall.neighbours[: self.k_max]
        padding = (0.0,) * (self.k_max - len(neighbours))
        asof_s = int(episode.view.asof.timestamp())
        turning = turners(episode.decision.contributions)
        values = (
            *(v.depth for v in views),
            *(v.confidence for v in views),
            *(episode.decision.weights.get(a, 0.0) for a in self.agents),
            *(episode.decision.contributions.get(a, 0.0) for a in self.agents),
            *(float(a in turning) for a in self.agents),
            dispersion_of(episode.views, episode.decision.weights),
            episode.decision.shift,
            float(WEIGHT_NET in episode.decision.nets),
            float(DECISION_NET in episode.decision.nets),
            episode.decision.depth,
            episode.verdict.depth,
            calibrated,
            float(usable),
            scale_long,
            scale_short,
            float(len(neighbours)),
            *(n.market_return for n in neighbours),
            *padding,
            *(n.distance for n in neighbours),
            *padding,
            float(asof_s),
        )
        return HeldDecision(asof_s, values)

    def frame(
        self,
        closes_s: npt.NDArray[np.int64],
        decisions: Sequence[HeldDecision],
        timeframe_s: int,
        max_age: int,
    ) -> pd.DataFrame:
        """Spread decisions over the rows they hold for.

        :param closes_s: (T,) close times of the rows, ascending, seconds since the epoch.
        :param decisions: in order of time; each holds from its own row until the next one, but no
            longer than `max_age` candles.
        :return: (T, len(held) + 1) frame, 0 where no decision holds; `decision_age` in candles.
        """
        names = self.held()
        times = np.array([d.asof_s for d in decisions], dtype=np.int64)
        table = np.zeros((len(decisions) + 1, len(names)))
        for i, held in enumerate(decisions):
            table[i + 1] = held.values
        which = np.searchsorted(times, closes_s, side="right")
        started = np.concatenate([[0], times])[which]
        age = (closes_s - started) // timeframe_s
        which = np.where(age <= max_age, which, 0)
        values = np.column_stack([table[which], np.where(which > 0, age, 0)])
        return pd.DataFrame(values, columns=[*names, "decision_age"])


def stack(dataframe: pd.DataFrame, prefix: str, names: Sequence[str | int]) -> Floats:
    """(T, len(names)) array of the columns `prefix_name`; 0 where a column is absent."""
    empty = np.zeros(len(dataframe))
    columns = [
        dataframe[f"{prefix}_{n}"].to_numpy(dtype=float, na_value=0.0)
        if f"{prefix}_{n}" in dataframe
        else empty
        for n in names
    ]
    return np.column_stack(columns) if columns else np.zeros((len(dataframe), 0))
