"""Win rate, pay-off and their uncertainty, computed by code: the only numbers a debate may call evidence.

The interval of a win rate is Wilson's (1927) at 95%. It takes the cases for independent; overlapping
outcomes are not, so read it as the narrowest that the sample allows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from agent_market.records import Evidence, Recall
from agent_market.stats.proportion import wilson


def evidence_of(gains: Sequence[float]) -> Evidence | None:
    """What cases say for a side, from what each would have gained on that side; None without a case.

    A gain of 0 does not count as a win. The pay-off is the mean gain over the mean loss.
    """
    n = len(gains)
    if n == 0:
        return None
    wins = [gain for gain in gains if gain > 0]
    losses = [-gain for gain in gains if gain < 0]
    low, high = wilson(len(wins), n)
    payoff = (sum(wins) / len(wins)) / (sum(losses) / len(losses)) if wins and losses else None
    return Evidence(n, len(wins) / n, low, high, payoff)


def recalled_evidence(recall: Recall, depth: float) -> Evidence | None:
    """What the recalled cases say for the side of `depth`; None without a case or a side."""
    if depth == 0:
        return None
    side = math.copysign(1.0, depth)
    return evidence_of([side * case.market_return for case in recall.neighbours])


def numbers_of(source: str, evidence: Evidence | None) -> dict[str, float]:
    """Evidence as named numbers for a prompt and a transcript: `<source>_cases` and so on."""
    if evidence is None:
        return {f"{source}_cases": 0.0}
    named = {
        f"{source}_cases": float(evidence.cases),
        f"{source}_win_rate": evidence.win_rate,
        f"{source}_low": evidence.low,
        f"{source}_high": evidence.high,
    }
    return named if evidence.payoff is None else {**named, f"{source}_payoff": evidence.payoff}
