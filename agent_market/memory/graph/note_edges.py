"""Edges that notes say: a principle mentions things, applies in regimes, and may contradict another."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import combinations

from agent_market.memory.bitemporal import Times
from agent_market.memory.graph.records import Edge, EdgeEvidence, EdgeKind, node_id
from agent_market.memory.notes import Note
from agent_market.memory.text.entities import entities
from agent_market.memory.text.stance import Claim

NOTE_KINDS: tuple[EdgeKind, ...] = ("mentions", "applies-in", "contradicts")

_NODES = ("asset:", "indicator:", "event:", "regime:")


def note_edges(notes: Iterable[Note], asof: datetime, overlap: float = 0.5) -> tuple[Edge, ...]:
    """Edges of the notes that hold at `asof`. The weight is the note's trust, the smaller of two.

    :param overlap: share of words from which two notes that point in opposite ways contradict each other.
    """
    held = sorted((note for note in notes if note.times.holds_at(asof)), key=lambda note: note.id)
    edges = []
    for note in held:
        me = node_id("principle", note.id)
        times = Times(note.times.event, asof, asof)
        ground = EdgeEvidence(notes=(note.id,))
        named = {name for name in entities(note.text) if name.startswith(_NODES)}
        if note.aspects.pair:
            named.add(node_id("asset", note.aspects.pair.partition("/")[0]))
        edges += [Edge(me, name, "mentions", note.trust, times, ground) for name in sorted(named)]
        if note.aspects.regime:
            regime = node_id("regime", note.aspects.regime)
            edges.append(Edge(me, regime, "applies-in", note.trust, times, ground))
    claims = {note.id: Claim.of(note.text) for note in held}
    for one, other in combinations(held, 2):
        if one.aspects.apply_to(other.aspects) and claims[one.id].contradicts(claims[other.id], overlap):
            times = Times(max(one.times.event, other.times.event), asof, asof)
            ground = EdgeEvidence(notes=(one.id, other.id))
            names = node_id("principle", one.id), node_id("principle", other.id)
            edges.append(Edge(*names, "contradicts", min(one.trust, other.trust), times, ground))
    return tuple(edges)
