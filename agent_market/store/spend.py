"""Rows of the table `spend`: one for every request to a model that was, or may have been, billed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

from sqlalchemy import func, insert, select

from agent_market.store.database import Database
from agent_market.store.schema import spend


@dataclass(frozen=True, slots=True)
class SpendRow:
    """One billed request. `at` in epoch seconds, `cost_nano` in billionths of the price table's currency.

    `basis` is `usage` where the endpoint counted the tokens, `bound` where it could not say: then they are
    the most that the request may have taken.
    """

    at: int
    run: str
    decision: str
    role: str
    model: str
    endpoint: str
    key: str
    prompt_tokens: int
    completion_tokens: int
    cost_nano: int | None
    basis: Literal["usage", "bound"]


@dataclass(frozen=True, slots=True)
class Spent:
    """Sums over rows."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_nano: int = 0


def write_spend(database: Database, rows: Iterable[SpendRow]) -> None:
    """Add `rows` in one transaction.

    :raises StoreFull: no room; none was kept.
    :raises StoreError: any other failure; none was kept.
    """
    values = [asdict(row) for row in rows]
    if values:
        with database.begin() as connection:
            connection.execute(insert(spend), values)


def spent(
    database: Database,
    since: int | None = None,
    before: int | None = None,
    run: str | None = None,
    not_run: str | None = None,
    basis: Literal["usage", "bound"] | None = None,
) -> Spent:
    """What was spent within [since, before) on the wall clock, by `run`, by all but `not_run`, on `basis`.

    :raises StoreError: the database cannot be read.
    """
    sums = (spend.c.prompt_tokens, spend.c.completion_tokens, spend.c.cost_nano)
    query = select(func.count(), *(func.coalesce(func.sum(column), 0) for column in sums))
    for condition in (
        None if since is None else spend.c.at >= since,
        None if before is None else spend.c.at < before,
        None if run is None else spend.c.run == run,
        None if not_run is None else spend.c.run != not_run,
        None if basis is None else spend.c.basis == basis,
    ):
        if condition is not None:
            query = query.where(condition)
    with database.begin() as connection:
        row = connection.execute(query).one()
    return Spent(*map(int, row))
