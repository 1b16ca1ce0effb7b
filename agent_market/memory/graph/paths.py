"""How two things hang together: the strongest path between them, and what each step of it says."""

from __future__ import annotations

import difflib
import heapq
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent_market.errors import DataError
from agent_market.memory.graph.records import DIRECTED, Edge, EdgeKind

LEAST_Q = 1e-12
"""Below this a p-value says more about the arithmetic than about the market."""
MOST_NAMED = 12
"""Nodes named to somebody who asked for one that is not there."""


@dataclass(frozen=True, slots=True)
class Step:
    """One edge of a path, walked from `start` to `end`, which may be against its direction."""

    start: str
    end: str
    edge: Edge


def strongest_path(edges: Iterable[Edge], source: str, target: str) -> tuple[Step, ...]:
    """The path whose edges' |weight| multiplied is largest; empty if there is none, or source is target.

    Dijkstra on -ln |weight|.  Edges may be walked both ways: an explanation asks how things are connected.
    Of equally strong paths the shorter, then the first by name.
    """
    out: dict[str, list[Step]] = {}
    for edge in edges:
        if edge.weight != 0.0:
            out.setdefault(edge.source, []).append(Step(edge.source, edge.target, edge))
            out.setdefault(edge.target, []).append(Step(edge.target, edge.source, edge))
    queue: list[tuple[float, int, tuple[str, ...], tuple[Step, ...]]] = [(0.0, 0, (source,), ())]
    done: set[str] = set()
    while queue:
        length, count, names, steps = heapq.heappop(queue)
        here = names[-1]
        if here == target:
            return steps
        if here in done:
            continue
        done.add(here)
        for step in sorted(out.get(here, ()), key=lambda s: (s.end, s.edge.kind, s.edge.scope)):
            if step.end not in done:
                further = length - math.log(min(abs(step.edge.weight), 1.0))
                # Names with kind and scope: two edges between the same nodes are never compared as records.
                name = (*names, f"{step.edge.kind}|{step.edge.scope}", step.end)
                heapq.heappush(queue, (further, count + 1, name, (*steps, step)))
    return ()


def explain(path: Sequence[Step]) -> tuple[str, ...]:
    """One sentence per step, with what it rests on: numbers, number of tests, and ids of evidence."""
    return tuple(sentence(step.edge) for step in path)


def sentence(edge: Edge) -> str:
    """What an edge says, with what it rests on."""
    return _SENTENCES[edge.kind](edge) + _ground(edge)


def edges_of(edges: Iterable[Edge], node: str) -> tuple[Edge, ...]:
    """The edges that touch a node, the strongest first, then by name."""
    touching = (edge for edge in edges if node in (edge.source, edge.target))
    return tuple(sorted(touching, key=lambda edge: (-abs(edge.weight), edge.key)))


def named_node(edges: Iterable[Edge], name: str) -> str:
    """The node of that id, or of that bare name where only one node has it (`BTC` is `asset:BTC`).

    :raises DataError: the graph has no such node, or several of that name.
    """
    nodes = sorted({node for edge in edges for node in (edge.source, edge.target)})
    if name in nodes:
        return name
    alike = [node for node in nodes if _name(node).lower() == name.lower()]
    if len(alike) == 1:
        return alike[0]
    if not nodes:
        raise DataError(
            "the graph had no edges at that time; look for some with `agent-market memory discover`, or ask "
            "about a later time with --asof"
        )
    shown = alike or difflib.get_close_matches(name, nodes, n=3) or nodes[:MOST_NAMED]
    raise DataError(f"the graph has no node {name!r}; it has {', '.join(shown)}")


def _co_moves(edge: Edge) -> str:
    way = "together" if edge.weight > 0 else "in opposite ways"
    return f"{_name(edge.source)} and {_name(edge.target)} move {way} (correlation {edge.weight:+.2f})"


def _leads(edge: Edge) -> str:
    lag = edge.evidence.statistics["lag"]
    way = "the same way" if edge.weight > 0 else "the other way"
    return (
        f"{_name(edge.source)} leads {_name(edge.target)} by {lag:.0f} candles, {way} "
        f"(correlation {edge.weight:+.2f})"
    )


def _earns(edge: Edge) -> str:
    mean = edge.evidence.statistics["mean_reward"]
    return f"agent {_name(edge.source)} made {mean:+.3%} a decision in {_name(edge.target)} after costs"


def _plain(edge: Edge) -> str:
    return f"{_name(edge.source)} {edge.kind.replace('-', ' ')} {_name(edge.target)}"


_SENTENCES: Mapping[EdgeKind, Callable[[Edge], str]] = {
    "co-moves": _co_moves,
    "leads": _leads,
    "earns-in": _earns,
    "loses-in": _earns,
    "mentions": _plain,
    "applies-in": _plain,
    "contradicts": _plain,
}
assert set(_SENTENCES) == set(DIRECTED)


def _ground(edge: Edge) -> str:
    statistics, parts = edge.evidence.statistics, []
    if "q" in statistics:
        parts.append("q < 1e-12" if statistics["q"] < LEAST_Q else f"q = {statistics['q']:.2g}")
    if edge.evidence.episodes:
        newest = edge.evidence.episodes[-1]
        parts.append(f"{statistics.get('episodes', len(edge.evidence.episodes)):.0f} episodes to {newest}")
    if edge.evidence.notes:
        parts.append(f"note {', '.join(edge.evidence.notes)}")
    parts.append(f"known {edge.times.known:%Y-%m-%d}")
    return f" [{'; '.join(parts)}]"


def _name(node: str) -> str:
    return node.partition(":")[2]
