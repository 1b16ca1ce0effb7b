"""Nodes and edges of the knowledge graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from agent_market.memory.bitemporal import Times

NodeKind = Literal["asset", "indicator", "regime", "event", "principle", "agent"]
EdgeKind = Literal["co-moves", "leads", "earns-in", "loses-in", "mentions", "applies-in", "contradicts"]

EVERY_SCOPE = ""
"""Scope of edges that were found in market data or taught, and belong to no run."""

DIRECTED: Mapping[EdgeKind, bool] = {
    "co-moves": False,
    "leads": True,
    "earns-in": True,
    "loses-in": True,
    "mentions": True,
    "applies-in": True,
    "contradicts": False,
}


def node_id(kind: NodeKind, name: str) -> str:
    """The name of a node in edges, as `asset:BTC`."""
    return f"{kind}:{name}"


@dataclass(frozen=True, slots=True)
class EdgeEvidence:
    """What an edge rests on. Statistics are finite; `episodes` and `notes` are ids."""

    statistics: Mapping[str, float] = field(default_factory=dict)
    episodes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """A typed, weighted relation. `weight` is signed where the relation has a sign; its size is in [0, 1].

    An undirected edge is stored once, with `source` < `target`.
    """

    source: str
    target: str
    kind: EdgeKind
    weight: float
    times: Times
    evidence: EdgeEvidence
    scope: str = EVERY_SCOPE

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes two findings the same relation."""
        return self.scope, self.source, self.target, self.kind
