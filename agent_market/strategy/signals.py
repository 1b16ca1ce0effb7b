"""From the ensemble's columns to a depth a strategy trades on: the arithmetic behind every entry and exit.

With `Fusion()` at its defaults the result equals the column `traded_depth`; hyperopt moves it from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from agent_market.agents.memory_agent import memory_depth
from agent_market.agents.rule_agents import ANNUAL_VOLATILITY
from agent_market.config import CalibrationSettings, MemorySettings
from agent_market.decision.fusion import fuse
from agent_market.decision.textbook import DAYS_A_YEAR
from agent_market.features.features import TRAINED
from agent_market.freqai.rule_features import RULE
from agent_market.pipeline.columns import stack
from agent_market.records import DEPTH_LIMIT, decision_id
from agent_market.risk.confidence import stake_share
from agent_market.utils.arrays import Floats

SLOW = f"{RULE}{ANNUAL_VOLATILITY}"
FAST = f"{TRAINED}volatility_168"


@dataclass(frozen=True, slots=True)
class Fusion:
    """How the committee's columns are fused in the strategy, where hyperopt can reach.

    `multipliers` scale each agent's learned weight (1 where unnamed), `temperature` < 1 sharpens the
    weights and > 1 flattens them, `memory_k` is the number of neighbours that the memory agent's depth is
    recomputed from (None: as decided), `equal` ignores the learned weights and the decision net.
    """

    multipliers: Mapping[str, float] = field(default_factory=dict)
    temperature: float = 1.0
    memory_k: int | None = None
    equal: bool = False


def fused_depth(
    dataframe: pd.DataFrame, agents: Sequence[str], memory: MemorySettings, fusion: Fusion
) -> Floats:
    """(T,) depth in [-10, 10] after fusion and risk; 0 where no decision holds or columns are absent."""
    depth = stack(dataframe, "depth", agents)
    weight = stack(dataframe, "weight", agents)
    if fusion.memory_k is not None and "memory" in agents:
        depth[:, list(agents).index("memory")] = _memory_depth(dataframe, memory, fusion.memory_k)
    if fusion.equal:
        weight = (weight > 0.0).astype(float)
    multipliers = np.array([fusion.multipliers.get(a, 1.0) for a in agents])
    fused, _ = fuse(depth, weight, multipliers, fusion.temperature)
    if not fusion.equal:
        # What the decision net made of the views; 0 where it is not in force.
        fused = np.clip(fused + stack(dataframe, "net", ["shift"])[:, 0], -DEPTH_LIMIT, DEPTH_LIMIT)
    return fused * _risk_scale(dataframe, fused)


def _memory_depth(dataframe: pd.DataFrame, memory: MemorySettings, k: int) -> Floats:
    returns = stack(dataframe, "recall_return", range(memory.k_max))
    counts = stack(dataframe, "recall", ["count"])[:, 0].astype(int)
    depth, _ = memory_depth(returns, counts, min(k, memory.k_max), memory.min_neighbours)
    return depth


def _risk_scale(dataframe: pd.DataFrame, depth: Floats) -> Floats:
    scales = stack(dataframe, "risk_scale", ["long", "short"])
    return np.where(depth >= 0.0, scales[:, 0], scales[:, 1])


def annual_volatility(dataframe: pd.DataFrame, timeframe_s: int) -> Floats:
    """(T,) volatility a year of the pair: that of `freqai.rule_features`, else that of 168 candles."""
    unknown = np.full(len(dataframe), np.nan)
    slow = dataframe[SLOW].to_numpy(dtype=float) if SLOW in dataframe else unknown
    fast = dataframe[FAST].to_numpy(dtype=float) if FAST in dataframe else unknown
    return np.where(np.isfinite(slow), slow, fast * np.sqrt(DAYS_A_YEAR * 86_400 / timeframe_s))


def decision_known(dataframe: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """(T,) whether a decision was made on a row or before it; all, where the model is no ensemble."""
    if "decision_time" not in dataframe:
        return dataframe["do_predict"].to_numpy(dtype=float) == 1.0
    return np.maximum.accumulate(dataframe["decision_time"].to_numpy(dtype=float, na_value=0.0)) > 0.0


def earned_share(dataframe: pd.DataFrame, side: str, settings: CalibrationSettings) -> float:
    """Share of the stake for an entry on `side` ("long" or "short") after the newest row; 1 without columns.

    The confidence is that of the committee's side; against it, what is left to one counts.
    """
    if dataframe.empty or "confidence_usable" not in dataframe:
        return 1.0
    newest = dataframe.iloc[-1]
    confidence = float(newest["confidence_calibrated"])
    agrees = (float(newest["fused_depth"]) > 0.0) == (side == "long")
    usable = float(newest["confidence_usable"]) == 1.0
    return stake_share(confidence if agrees else 1.0 - confidence, usable, settings)


def entry_tags(pair: str, depth: Floats, decided_s: Floats) -> npt.NDArray[np.object_]:
    """Tags such as `agents +4.2 BTC/USDT@2024-01-05T12:00Z`: they name the decision that a trade follows."""
    return np.array(
        [
            f"agents {d:+.1f} {decision_id(pair, datetime.fromtimestamp(s, tz=UTC))}" if s else ""
            for d, s in zip(depth, decided_s, strict=True)
        ],
        dtype=object,
    )


PLAIN_TAG = "agents"
"""Tag of every entry while hyperopt searches: freqtrade computes full statistics for each distinct tag, about
30 ms apiece, and an epoch would spend more on them than on the backtest."""


def side_spells(depth: Floats, threshold: float) -> list[tuple[int, int, int]]:
    """Stretches of rows on one side, as (first row, last row, +1 or -1), where |depth| >= threshold."""
    side = np.where(np.abs(depth) >= threshold, np.sign(depth), 0.0).astype(int)
    edges = np.flatnonzero(np.diff(side)) + 1
    starts = np.concatenate([[0], edges]).astype(int)
    ends = np.concatenate([edges, [len(side)]]).astype(int) - 1
    return [
        (int(a), int(b), int(side[a])) for a, b in zip(starts, ends, strict=True) if len(side) and side[a]
    ]
