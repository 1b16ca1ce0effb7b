"""Vectors of episodes as arrays: their market states, and further ones such as embeddings of their text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from agent_market.errors import StoreError
from agent_market.store.generations import STATE, raise_generation
from agent_market.store.schema import episode_vectors, episodes


@dataclass(frozen=True, slots=True)
class VectorRows:
    """n vectors of one memory and kind, ordered by (known_at, key).

    `keys` name the episode by its decision time; times are seconds since the epoch, vectors (n, dim) float32.
    """

    known_at: npt.NDArray[np.int64]
    keys: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]


def put_vectors(
    connection: Connection,
    scope: str,
    pair: str,
    kind: str,
    rows: Iterable[tuple[int, int, npt.NDArray[np.float32]]],
) -> None:
    """Write vectors of (decision time, known_at, vector), as part of a transaction; equal keys are replaced.

    :param kind: what made them, as `text/all-MiniLM-L6-v2`; not `state`, which episodes bring themselves.
    :raises StoreError: the kind is `state`, or a vector holds a number that is not finite.
    """
    if kind == STATE:
        raise StoreError(f"vectors of kind {STATE!r} are written with their episodes")
    written = []
    for asof, known_at, vector in rows:
        if not np.isfinite(vector).all():
            raise StoreError(f"the {kind} vector of {pair} at {asof} holds a number that is not finite")
        row = {"scope": scope, "pair": pair, "asof": asof, "kind": kind}
        written.append({**row, "known_at": known_at, "vector": np.asarray(vector, dtype="<f4").tobytes()})
    if not written:
        return
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(episode_vectors)
    replaced = {name: statement.excluded[name] for name in ("known_at", "vector")}
    key = ["scope", "pair", "asof", "kind"]
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=replaced), written)
    raise_generation(connection, scope, pair, kind)


def read_vectors(connection: Connection, scope: str, pair: str, kind: str) -> VectorRows:
    """All vectors of a memory and kind; of the states only those whose outcome is known.

    :raises StoreError: they are not all of one length.
    """
    table, vector = (
        (episodes, episodes.c.state) if kind == STATE else (episode_vectors, episode_vectors.c.vector)
    )
    query = (
        select(table.c.known_at, table.c.asof, vector)
        .where(table.c.scope == scope, table.c.pair == pair, table.c.known_at.is_not(None))
        .order_by(table.c.known_at, table.c.asof)
    )
    if kind != STATE:
        query = query.where(episode_vectors.c.kind == kind)
    rows = connection.execute(query).all()
    lengths = {len(blob) for _, _, blob in rows}
    if len(lengths) > 1:
        raise StoreError(
            f"{kind} vectors of {scope}/{pair} have {sorted(n // 4 for n in lengths)} numbers; "
            "use another `memory.scope`"
        )
    dim = lengths.pop() // 4 if lengths else 0
    return VectorRows(
        np.array([known_at for known_at, _, _ in rows], dtype=np.int64),
        np.array([asof for _, asof, _ in rows], dtype=np.int64),
        np.frombuffer(b"".join(blob for _, _, blob in rows), dtype="<f4").reshape(len(rows), dim),
    )
