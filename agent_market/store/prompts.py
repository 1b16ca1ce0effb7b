"""Prompt versions, and which of them is in force when: nothing is overwritten, a rollback leaves its mark."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from agent_market.errors import StoreError
from agent_market.store.database import Database
from agent_market.store.episode_json import moment, seconds
from agent_market.store.schema import prompt_promotions, prompts


@dataclass(frozen=True, slots=True)
class StoredPrompt:
    """One version of one role's prompt: the text of each tuned part by name, and what it was varied from."""

    version: str
    role: str
    texts: Mapping[str, str]
    parent: str | None


@dataclass(frozen=True, slots=True)
class Promotion:
    """A version that decides from `known_at` on: no decision before that moment sees it.

    `evidence` is what it was promoted on. `withdrawn_at` is the wall clock of its rollback, None while it
    stands.
    """

    id: int
    prompt: StoredPrompt
    replaced: str
    known_at: datetime
    evidence: Mapping[str, Any]
    withdrawn_at: datetime | None = None


def save_prompt(database: Database, prompt: StoredPrompt) -> None:
    """Keep a version; one that is there stays as it is, for its name is the hash of its content.

    :raises StoreError: the store cannot be written.
    """
    insert = postgresql.insert if database.engine.dialect.name == "postgresql" else sqlite.insert
    row = {
        "version": prompt.version,
        "role": prompt.role,
        "texts": orjson.dumps(dict(prompt.texts), option=orjson.OPT_SORT_KEYS),
        "parent": prompt.parent,
        "created_at": int(time.time()),
    }
    with database.begin() as connection:
        connection.execute(insert(prompts).values(row).on_conflict_do_nothing(index_elements=["version"]))


def promote(
    database: Database,
    prompt: StoredPrompt,
    replaced: str,
    known_at: datetime,
    evidence: Mapping[str, Any],
) -> None:
    """Put `prompt` in force for its role from `known_at` on.

    :param known_at: when the last outcome that speaks for it was known.
    """
    save_prompt(database, prompt)
    row = {
        "role": prompt.role,
        "version": prompt.version,
        "replaced": replaced,
        "known_at": seconds(known_at),
        "evidence": orjson.dumps(dict(evidence), option=orjson.OPT_SORT_KEYS),
        "created_at": int(time.time()),
    }
    with database.begin() as connection:
        connection.execute(prompt_promotions.insert().values(row))


def roll_back(database: Database, role: str) -> Promotion | None:
    """Withdraw the newest promotion of `role` that stands, for decisions at any time; None without one."""
    standing = [p for p in promotions(database, role) if p.withdrawn_at is None]
    if not standing:
        return None
    newest = standing[-1]
    with database.begin() as connection:
        connection.execute(
            update(prompt_promotions)
            .where(prompt_promotions.c.id == newest.id)
            .values(withdrawn_at=func.coalesce(prompt_promotions.c.withdrawn_at, int(time.time())))
        )
    return newest


def promotions(database: Database, role: str | None = None) -> tuple[Promotion, ...]:
    """All promotions (of one role), withdrawn ones too, in the order in which they take force.

    :raises StoreError: the store cannot be read, or holds what is no promotion.
    """
    table, texts = prompt_promotions, prompts
    query = (
        select(table, texts.c.texts, texts.c.parent)
        .join(texts, texts.c.version == table.c.version)
        .order_by(table.c.known_at, table.c.id)
    )
    if role is not None:
        query = query.where(table.c.role == role)
    with database.begin() as connection:
        rows = connection.execute(query).all()
    return tuple(map(_promotion, rows))


def read_prompt(database: Database, version: str) -> StoredPrompt | None:
    """The version of that name; None where the store has none."""
    with database.begin() as connection:
        row = connection.execute(select(prompts).where(prompts.c.version == version)).one_or_none()
    return None if row is None else StoredPrompt(row.version, row.role, _texts(row), row.parent)


def _promotion(row: Any) -> Promotion:
    return Promotion(
        id=row.id,
        prompt=StoredPrompt(row.version, row.role, _texts(row), row.parent),
        replaced=row.replaced,
        known_at=moment(row.known_at),
        evidence=orjson.loads(row.evidence),
        withdrawn_at=None if row.withdrawn_at is None else moment(row.withdrawn_at),
    )


def _texts(row: Any) -> dict[str, str]:
    try:
        return {str(part): str(text) for part, text in orjson.loads(row.texts).items()}
    except (orjson.JSONDecodeError, AttributeError) as error:
        raise StoreError(
            f"prompt version {row.version} of role {row.role!r} is damaged ({error}); roll it back with "
            f"`agent-market tune-prompts --rollback --role {row.role}` or delete its row"
        ) from error
