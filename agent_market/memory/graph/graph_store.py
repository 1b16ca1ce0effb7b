"""The graph in the store: edges open and close, and are read as they stood at a moment.

A finding that comes again unchanged in kind replaces the one before it from then on; one that does not come
again is closed. Neither is deleted: a question about an earlier time gets the earlier answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import delete, func, or_, select, update

from agent_market.errors import DataError
from agent_market.memory.bitemporal import Times
from agent_market.memory.graph.records import Edge, EdgeEvidence, EdgeKind
from agent_market.store.database import Database
from agent_market.store.episode_json import moment, seconds
from agent_market.store.schema import graph_edges, graph_nodes
from agent_market.store.upsert import insert_into, upsert


def write_findings(
    database: Database, scope: str, kinds: Sequence[EdgeKind], edges: Sequence[Edge], known: datetime
) -> None:
    """Make `edges` the whole of what is known of `kinds` in `scope` from `known` on, in one transaction.

    Writing again at the same moment replaces what was written then.

    :raises ValueError: an edge is of another scope or kind, or has another `known`.
    :raises DataError: later findings are there: history is written forwards.
    """
    for edge in edges:
        if edge.scope != scope or edge.kind not in kinds or edge.times.known != known:
            raise ValueError(f"{edge} is no finding of {scope!r} {list(kinds)} known from {known}")
    at = seconds(known)
    same = (graph_edges.c.scope == scope) & graph_edges.c.kind.in_(kinds)
    still_open = or_(graph_edges.c.invalid_from.is_(None), graph_edges.c.invalid_from > at)
    with database.begin() as connection:
        newest = connection.scalar(select(func.max(graph_edges.c.known_at)).where(same))
        if newest is not None and newest > at:
            raise DataError(f"findings of {moment(newest)} are in the graph; look for edges after that")
        connection.execute(delete(graph_edges).where(same, graph_edges.c.known_at == at))
        connection.execute(update(graph_edges).where(same, still_open).values(invalid_from=at))
        if edges:
            nodes = sorted({name for edge in edges for name in (edge.source, edge.target)})
            statement = insert_into(database, graph_nodes).on_conflict_do_nothing()
            connection.execute(statement, [_node(name, at) for name in nodes])
            connection.execute(upsert(database, graph_edges), [_row(edge) for edge in edges])


def edges_at(database: Database, asof: datetime, scope: str | None = None) -> tuple[Edge, ...]:
    """The edges that were known and valid at `asof`, ordered by (scope, source, target, kind).

    :param scope: those of this scope and of none; None = of all scopes.
    """
    at = int(asof.timestamp())
    query = (
        select(graph_edges)
        .where(
            graph_edges.c.known_at <= at,
            graph_edges.c.valid_from <= at,
            or_(graph_edges.c.invalid_from.is_(None), graph_edges.c.invalid_from > at),
        )
        .order_by(graph_edges.c.scope, graph_edges.c.source, graph_edges.c.target, graph_edges.c.kind)
    )
    if scope is not None:
        query = query.where(graph_edges.c.scope.in_(("", scope)))
    with database.begin() as connection:
        return tuple(_edge(row) for row in connection.execute(query))


def _node(name: str, known_at: int) -> dict[str, Any]:
    kind, _, rest = name.partition(":")
    return {"id": name, "kind": kind, "name": rest, "known_at": known_at}


def _row(edge: Edge) -> dict[str, Any]:
    times = edge.times
    return {
        "scope": edge.scope,
        "source": edge.source,
        "target": edge.target,
        "kind": edge.kind,
        "known_at": seconds(times.known),
        "event_at": seconds(times.event),
        "valid_from": seconds(times.valid_from),
        "invalid_from": None if times.invalid_from is None else seconds(times.invalid_from),
        "weight": edge.weight,
        "evidence": orjson.dumps(edge.evidence, option=orjson.OPT_SORT_KEYS),
    }


def _edge(row: Any) -> Edge:
    raw = orjson.loads(row.evidence)
    ended = None if row.invalid_from is None else moment(row.invalid_from)
    return Edge(
        source=row.source,
        target=row.target,
        kind=row.kind,
        weight=row.weight,
        times=Times(moment(row.event_at), moment(row.known_at), moment(row.valid_from), ended),
        evidence=EdgeEvidence(raw["statistics"], tuple(raw["episodes"]), tuple(raw["notes"])),
        scope=row.scope,
    )
