"""Who is compared with whom: the one place that knows which strategy plays which part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Part = Literal["agents", "equal_weights", "quant_only", "buy_and_hold", "other"]


@dataclass(frozen=True, slots=True)
class PartInfo:
    """A part in the comparison: its label, the strategy that plays it, and what to do when it is missing."""

    part: Part
    label: str
    strategy: str | None
    missing: str


AGENTS = PartInfo(
    part="agents",
    label="Agents (Hedge)",
    strategy="AgentMarketStrategy",
    missing="The result holds no strategy that is not a baseline.",
)
EQUAL_WEIGHTS = PartInfo(
    part="equal_weights",
    label="Equal weights",
    strategy="AgentMarketEqualWeights",
    missing="Equal weights were not run; add AgentMarketEqualWeights to --strategy-list.",
)
QUANT_ONLY = PartInfo(
    part="quant_only",
    label="LightGBM alone",
    strategy="AgentMarketQuantOnly",
    missing="LightGBM alone was not run; add AgentMarketQuantOnly to --strategy-list.",
)
BUY_AND_HOLD = PartInfo(
    part="buy_and_hold",
    label="Buy and hold",
    strategy=None,
    missing="Buy and hold could not be computed: candles are missing for at least one pair.",
)

BASELINES = (EQUAL_WEIGHTS, QUANT_ONLY, BUY_AND_HOLD)
_BY_STRATEGY = {info.strategy: info for info in (AGENTS, EQUAL_WEIGHTS, QUANT_ONLY)}


def parts_of(names: tuple[str, ...]) -> dict[str, PartInfo]:
    """Which part each strategy of a result plays, by strategy name.

    Names of our own strategies are fixed.  Without `AgentMarketStrategy` the first strategy that is no
    baseline (a user's subclass, say) stands for the agents; any further one is shown under its own name.
    """
    agents = AGENTS.strategy if AGENTS.strategy in names else _first_unknown(names)
    parts = {}
    for name in names:
        if name == agents:
            label = AGENTS.label if name == AGENTS.strategy else name
            parts[name] = PartInfo("agents", label, name, AGENTS.missing)
        else:
            parts[name] = _BY_STRATEGY.get(name) or PartInfo("other", name, name, "")
    return parts


def _first_unknown(names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name not in _BY_STRATEGY), None)
