"""Compute the fate of each decision (`episodes.fate`) whenever an episode or risk note is written.

Pages of decisions filter on the column, so it must be right at any moment, whichever of the two came first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Literal

import orjson
from sqlalchemy import Connection, select, update

from agent_market.store.schema import episodes, risk_notes

DecisionStatus = Literal["traded", "refused", "clamped", "hold", "not_traded"]
"""`traded`: an entry filled; `refused`: the order gate rejected all orders; `clamped`: limits on depth
removed the side; `hold`: the committee chose no side; `not_traded`: a side was chosen, but no entry was
requested (below the strategy's threshold, a trade was open, no free slot)."""

AT_ONCE = 500
"""Ids in one statement: SQLite allows a limited number of parameters."""


def fate_from(action: str, allowed: str, kinds: Collection[str]) -> DecisionStatus:
    """The fate of one decision.

    :param action: of the decision ("buy", "sell" or "hold"); `allowed` is that of the verdict.
    :param kinds: kinds of the risk notes about it, those of baselines left out.
    """
    if "fill" in kinds:
        return "traded"
    if "refusal" in kinds:
        return "refused"
    if action == "hold":
        return "hold"
    return "clamped" if allowed == "hold" else "not_traded"


def refresh_fates(connection: Connection, scope: str, decisions: Iterable[str]) -> None:
    """Compute the fates of decisions from the stored rows; ids without an episode are left out."""
    for ids in _batches(decisions):
        kinds = _kinds_of(connection, scope, ids)
        rows = connection.execute(
            select(episodes.c.id, episodes.c.record, episodes.c.fate).where(
                episodes.c.scope == scope, episodes.c.id.in_(ids)
            )
        ).all()
        for row in rows:
            body = orjson.loads(row.record)
            fate = fate_from(body["decision"]["action"], body["verdict"]["action"], kinds.get(row.id, ()))
            if fate != row.fate:
                change = update(episodes).where(episodes.c.scope == scope, episodes.c.id == row.id)
                connection.execute(change.values(fate=fate))


def noted(connection: Connection, scope: str, decisions: Iterable[str]) -> set[str]:
    """Return the decisions that have risk notes."""
    found: set[str] = set()
    for ids in _batches(decisions):
        found.update(_kinds_of(connection, scope, ids))
    return found


def _kinds_of(connection: Connection, scope: str, ids: Collection[str]) -> dict[str, set[str]]:
    query = select(risk_notes.c.decision, risk_notes.c.kind).where(
        risk_notes.c.scope == scope, risk_notes.c.decision.in_(ids), risk_notes.c.baseline.is_(False)
    )
    kinds: dict[str, set[str]] = defaultdict(set)
    for decision, kind in connection.execute(query.distinct()):
        kinds[decision].add(kind)
    return kinds


def _batches(decisions: Iterable[str]) -> Iterator[list[str]]:
    ids = sorted(set(decisions))
    return (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))
