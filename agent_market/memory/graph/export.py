"""The graph as JSON for drawing: nodes and links, as d3-force, vis.js and networkx read them."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from agent_market.memory.graph.records import DIRECTED, Edge


def to_json(edges: Sequence[Edge]) -> bytes:
    """`{"nodes": [{"id", "kind", "name", "degree"}], "links": [{"source", "target", ...}]}`, sorted by id."""
    degree: dict[str, int] = {}
    for edge in edges:
        for node in (edge.source, edge.target):
            degree[node] = degree.get(node, 0) + 1
    nodes = [
        {"id": node, "kind": node.partition(":")[0], "name": node.partition(":")[2], "degree": count}
        for node, count in sorted(degree.items())
    ]
    links = [
        {
            "source": edge.source,
            "target": edge.target,
            "kind": edge.kind,
            "directed": DIRECTED[edge.kind],
            "weight": edge.weight,
            "scope": edge.scope,
            "known_at": edge.times.known,
            "event_at": edge.times.event,
            "valid_from": edge.times.valid_from,
            "invalid_from": edge.times.invalid_from,
            "evidence": edge.evidence,
        }
        for edge in sorted(edges, key=lambda e: e.key)
    ]
    return orjson.dumps({"nodes": nodes, "links": links}, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
