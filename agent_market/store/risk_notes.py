"""Risk notes of decisions: clamps with limit and value, refusals, fills.

Live notes are append-only. A new backtest replaces those of its predecessor, as it does episodes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import delete, insert, select

from agent_market.store.database import Database
from agent_market.store.episode_json import moment, seconds
from agent_market.store.fates import refresh_fates
from agent_market.store.schema import risk_notes

LIVE = "live"


def backtest_run(strategy: str) -> str:
    """The name of a backtest of that strategy, as its lines carry it."""
    return f"backtest/{strategy}"


@dataclass(frozen=True, slots=True)
class RiskNote:
    """One line: `kind` is clamps, refusal or fill; `data` is JSON-ready; times are whole seconds, UTC."""

    decision: str
    pair: str
    kind: str
    known_at: datetime
    data: Mapping[str, Any]
    run: str = LIVE
    """Of what: `LIVE`, or a backtest by its name."""
    baseline: bool = False
    """Of a baseline, which is backtested over the same decisions and trades on a depth of its own."""


def add_risk_notes(database: Database, scope: str, notes: Iterable[RiskNote]) -> None:
    """Add lines in one transaction, and with them what became of the decisions (`episodes.fate`).

    :raises StoreError: the database fails; none was stored.
    """
    rows = [
        {
            "scope": scope,
            "run": note.run,
            "decision": note.decision,
            "pair": note.pair,
            "kind": note.kind,
            "known_at": seconds(note.known_at.replace(microsecond=0)),
            "data": orjson.dumps(note.data, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY),
            "baseline": note.baseline,
        }
        for note in notes
    ]
    if rows:
        with database.begin() as connection:
            connection.execute(insert(risk_notes), rows)
            refresh_fates(connection, scope, {str(row["decision"]) for row in rows if not row["baseline"]})


def begin_run(database: Database, scope: str, run: str) -> None:
    """Delete the notes of an earlier backtest of that name in the scope."""
    of_run = (risk_notes.c.scope == scope) & (risk_notes.c.run == run)
    with database.begin() as connection:
        decisions = connection.scalars(select(risk_notes.c.decision).where(of_run).distinct()).all()
        connection.execute(delete(risk_notes).where(of_run))
        refresh_fates(connection, scope, decisions)


def risk_notes_of(
    database: Database, scope: str, decision: str, asof: datetime | None = None
) -> tuple[RiskNote, ...]:
    """The lines of a decision known by `asof` (all if None), in the order in which they were added."""
    query = (
        select(risk_notes)
        .where(risk_notes.c.scope == scope, risk_notes.c.decision == decision)
        .order_by(risk_notes.c.id)
    )
    if asof is not None:
        query = query.where(risk_notes.c.known_at <= int(asof.timestamp()))
    with database.begin() as connection:
        rows = connection.execute(query).all()
    return tuple(
        RiskNote(
            row.decision,
            row.pair,
            row.kind,
            moment(row.known_at),
            orjson.loads(row.data),
            row.run,
            bool(row.baseline),
        )
        for row in rows
    )


def refusals_of(database: Database, scope: str, decisions: Collection[str]) -> dict[str, str]:
    """Return the newest reason for which the order gate refused an order, by decision; without baselines."""
    query = (
        select(risk_notes.c.decision, risk_notes.c.data)
        .where(
            risk_notes.c.scope == scope,
            risk_notes.c.decision.in_(decisions),
            risk_notes.c.kind == "refusal",
            risk_notes.c.baseline.is_(False),
        )
        .order_by(risk_notes.c.id)
    )
    with database.begin() as connection:
        rows = connection.execute(query).all()
    return {row.decision: str(orjson.loads(row.data).get("cause", "")) for row in rows}
