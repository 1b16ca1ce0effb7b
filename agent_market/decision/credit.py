"""Attribute money after costs to agents: leave-one-out and Shapley values, in total and by regime.

The game: a coalition of agents decides alone, by the weights it had, scaled to sum to 1 over those of it that
are awake (flat where none is).  Its value is the money it makes after the cost of its own turnover.
Shapley's (1953) is the only division that is efficient (adds up to the value of all), symmetric, additive,
and gives 0 to an agent that changes nothing.  Leave-one-out is the loss of value without that agent: two
agents with the same views each have a leave-one-out of about 0, and share their value under Shapley.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from agent_market.decision.panel import DecisionPanel, money
from agent_market.decision.replay import fused
from agent_market.errors import ConfigError
from agent_market.utils.arrays import Floats

MOST_AGENTS = 14
"""Exact Shapley values need the value of all 2^N coalitions."""


@dataclass(frozen=True, slots=True)
class Credit:
    """One agent's share, as a fraction of the capital (mean of the pairs), summed over time.

    `by_regime` splits `shapley` by the regime at the moment of decision, and sums to it;
    `left_out_by_regime` splits `leave_one_out` in the same way.
    """

    agent: str
    leave_one_out: float
    shapley: float
    by_regime: Mapping[str, float]
    left_out_by_regime: Mapping[str, float]


def credits(
    panel: DecisionPanel, weights: Floats, cost: float, regimes: tuple[str, ...]
) -> tuple[Credit, ...]:
    """Compute the credit of every expert for the money that the panel's decisions made under `weights`.

    :param weights: (T, P, N) at each decision.
    :param cost: of one unit of turnover, as a fraction.
    :param regimes: name of each index in `panel.regime`.
    :return: one per expert; their Shapley values sum to the money of the full committee.
    :raises ConfigError: more than `MOST_AGENTS` experts.
    """
    count = len(panel.experts)
    if count > MOST_AGENTS:
        raise ConfigError(f"credit of {count} agents needs 2^{count} coalitions; give {MOST_AGENTS} at most")
    flat = panel.regime.ravel()

    def worth(members: tuple[int, ...]) -> Floats:
        mask = np.zeros(count)
        mask[list(members)] = 1.0
        made = money(panel, fused(panel, weights * mask), cost) / len(panel.pairs)
        return np.bincount(flat, weights=made.ravel(), minlength=len(regimes)).astype(np.float64)

    table = {
        members: worth(members) for size in range(count + 1) for members in combinations(range(count), size)
    }
    return tuple(_credit(i, panel.experts[i], table, regimes) for i in range(count))


def _credit(i: int, agent: str, table: Mapping[tuple[int, ...], Floats], regimes: tuple[str, ...]) -> Credit:
    count = len(max(table, key=len))
    everyone = tuple(range(count))
    value = np.zeros(len(regimes))
    for members, made in table.items():
        if i in members:
            continue
        joined = tuple(sorted((*members, i)))
        share = math.factorial(len(members)) * math.factorial(count - len(members) - 1)
        value += share / math.factorial(count) * (table[joined] - made)
    missing = table[everyone] - table[tuple(other for other in everyone if other != i)]
    return Credit(
        agent=agent,
        leave_one_out=float(missing.sum()),
        shapley=float(value.sum()),
        by_regime=dict(zip(regimes, value.tolist(), strict=True)),
        left_out_by_regime=dict(zip(regimes, missing.tolist(), strict=True)),
    )
