"""Vectors of texts by content address, so that no text is embedded twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from sqlalchemy import select

from agent_market.store.database import Database
from agent_market.store.schema import text_vectors
from agent_market.store.upsert import upsert

_PER_QUERY = 500

Vectors = npt.NDArray[np.float32]


def read_vectors(database: Database, embedder: str, digests: Sequence[str]) -> dict[str, Vectors]:
    """Return stored (dim,) vectors of `embedder` by digest; digests without one are absent."""
    found: dict[str, Vectors] = {}
    for start in range(0, len(digests), _PER_QUERY):
        query = select(text_vectors.c.digest, text_vectors.c.vector).where(
            text_vectors.c.embedder == embedder,
            text_vectors.c.digest.in_(digests[start : start + _PER_QUERY]),
        )
        with database.begin() as connection:
            rows = connection.execute(query).all()
        found |= {key: np.frombuffer(raw, dtype="<f4").astype(np.float32) for key, raw in rows}
    return found


def write_vectors(database: Database, embedder: str, vectors: Mapping[str, Vectors]) -> None:
    """Store vectors by digest, in one transaction."""
    if not vectors:
        return
    rows = [
        {"digest": key, "embedder": embedder, "vector": np.asarray(vector, dtype="<f4").tobytes()}
        for key, vector in vectors.items()
    ]
    with database.begin() as connection:
        connection.execute(upsert(database, text_vectors), rows)
