"""The agents of the evaluation: the committee's four roles by the sandbox's rules, and five one-idea agents.

No language model is asked and no result of these rules says anything about one: they stand in for agents that
disagree.  The roles see the candles' features (no recall, no context series).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from agent_market.features.regime import REGIMES
from agent_market.sandbox.model.case import Case, Voice
from agent_market.sandbox.model.rules import answer
from agent_market.utils.arrays import Floats

ROLES = ("aggressive", "conservative", "quant")
JUDGE = "judge"
SIMPLE = ("momentum", "reversion", "breakout", "volume", "random")
AGENTS = (*ROLES, JUDGE, *SIMPLE)
"""Names, in the order of the panel."""

_EVEN = 0.5


@dataclass(frozen=True, slots=True)
class Said:
    """What every agent said at T moments: depth (T, N) in [-1, 1], NaN asleep; confidence (T, N)."""

    depth: Floats
    confidence: Floats


def ask(
    features: pd.DataFrame, regimes: npt.NDArray[np.int64], times: npt.NDArray[np.int64], seed: int
) -> Said:
    """Everyone's view at every row; all asleep where a feature is missing.

    :param features: T rows of `features.features`, known at each moment.
    :param regimes: (T,) indices into `REGIMES`.
    :param times: (T,) moments; with `seed` they draw the random agent's view, whatever comes before or after.
    """
    whole = features.notna().all(axis=1).to_numpy()
    depth = np.full((len(features), len(AGENTS)), np.nan)
    confidence = np.zeros(depth.shape)
    rows = np.flatnonzero(whole)
    records = features.iloc[rows].to_dict("records")
    for row, numbers in zip(rows.tolist(), records, strict=True):
        known = {str(name): float(value) for name, value in numbers.items()}
        depth[row, : len(ROLES) + 1], confidence[row, : len(ROLES) + 1] = _committee(
            known, REGIMES[regimes[row]]
        )
    simple = _simple(features.iloc[rows], times[rows], seed)
    depth[rows, len(ROLES) + 1 :] = simple
    confidence[rows, len(ROLES) + 1 :] = np.where(np.isnan(simple), 0.0, _EVEN)
    return Said(depth, confidence)


def _committee(features: dict[str, float], regime: str) -> tuple[list[float], list[float]]:
    """Depths in [-1, 1] and confidences of the three roles and of the judge over them."""
    opinions = [answer(Case(role=role, features=features, regime=regime)) for role in ROLES]
    heard = tuple(
        Voice(role, view.depth, view.confidence)
        for role, view in zip(ROLES, opinions, strict=True)
        if view.confidence > 0.0
    )
    silent = len(ROLES) - len(heard)
    opinions.append(answer(Case(role=JUDGE, regime=regime, voices=heard, silent=silent)))
    return [view.depth / 10.0 for view in opinions], [view.confidence for view in opinions]


def _simple(features: pd.DataFrame, times: npt.NDArray[np.int64], seed: int) -> Floats:
    """(T, 5) depths of the one-idea agents; breakout sleeps where volume is not above its usual level."""
    x = {str(name): features[name].to_numpy(dtype=np.float64) for name in features}
    volatility = np.maximum(x["volatility_24"], 1e-9)
    move_12 = x["return_12"] / (volatility * np.sqrt(12))
    move_72 = x["return_72"] / (volatility * np.sqrt(72))
    breakout = np.tanh(move_12) * np.clip(x["volume_z"] / 2.0, 0.0, 1.0)
    return np.column_stack(
        [
            np.tanh(move_72),
            -np.tanh(move_12 / 1.5),
            np.where(x["volume_z"] > 0.0, breakout, np.nan),
            np.clip(2.0 * x["volume_balance_24"], -1.0, 1.0),
            [np.random.default_rng([seed, time]).uniform(-1.0, 1.0) for time in times.tolist()],
        ]
    )
