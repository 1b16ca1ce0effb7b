"""Decisions newest first, with what became of them: traded, refused at the gate, clamped away, or neither.

The database filters, sorts and pages, by the indexed summary columns of `episodes`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, literal, select, tuple_

from agent_market.errors import ConfigError, DataError
from agent_market.queries.risk_log import Line, RiskLog
from agent_market.queries.run_context import RunContext
from agent_market.records import Debate, Episode
from agent_market.runs.parts import BASELINES
from agent_market.store.episode_json import moment, record_from_json, seconds
from agent_market.store.episodes import collector_paused, find_episode, read_debate
from agent_market.store.fates import DecisionStatus, fate_from
from agent_market.store.risk_notes import backtest_run, refusals_of, risk_notes_of
from agent_market.store.schema import episodes

_BASELINES = frozenset(backtest_run(part.strategy) for part in BASELINES if part.strategy)
_CURSOR = re.compile(r"(\d{1,12})~(.+)")


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision and its fate; `refusal` is the gate's cause, empty without one."""

    episode: Episode
    fate: DecisionStatus
    refusal: str
    debated: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Rows newest first; `next` asks for the rows after these, None where there are none."""

    rows: tuple[DecisionRow, ...]
    next: str | None


def decision_page(
    source: RunContext,
    pair: str | None = None,
    fate: DecisionStatus | None = None,
    since: datetime | None = None,
    before: str | None = None,
    limit: int = 50,
    debated: bool | None = None,
    until: datetime | None = None,
) -> Page:
    """One page, newest first.

    :param since: decided at or after; `until`: decided before.
    :param before: `next` of the page before this one.
    :param limit: most rows, at least 1.
    :raises ConfigError: `before` is not a `next`.
    :raises DataError: there is no store yet.
    """
    query = _filtered(source.scope, pair, fate, since, until, _parsed(before), debated).limit(limit + 1)
    with source.database.begin() as connection:
        found = connection.execute(query).all()
    shown = found[:limit]
    refused = [row.id for row in shown if row.fate in ("refused", "traded")]
    causes = refusals_of(source.database, source.scope, refused) if refused else {}
    with collector_paused():
        rows = tuple(
            DecisionRow(
                record_from_json(source.scope, row.record, row.outcome),
                row.fate,
                causes.get(row.id, ""),
                bool(row.debated),
            )
            for row in shown
        )
    more = len(found) > limit
    return Page(rows, f"{shown[-1].asof}~{shown[-1].pair}" if more else None)


def decision_whole(
    source: RunContext, log: RiskLog, decision: str
) -> tuple[DecisionRow, Debate | None, tuple[Line, ...]]:
    """A decision with its debate (None = none was held) and its lines of the risk journal.

    :raises DataError: the scope has no such decision.
    """
    episode = find_episode(source.database, source.scope, decision)
    if episode is None:
        raise DataError(f"no decision {decision!r} in scope {source.scope!r}; the list of decisions has ids")
    debate = read_debate(source.database, source.scope, decision)
    lines = _lines_of(source, log, decision)
    fate, refusal = fate_of(episode, lines)
    return DecisionRow(episode, fate, refusal, debate is not None), debate, lines


def decisions_since(source: RunContext, asof: int) -> list[tuple[int, str]]:
    """(asof in epoch seconds, id) of the decisions as of `asof` or later, oldest first."""
    query = (
        select(episodes.c.asof, episodes.c.id)
        .where(episodes.c.scope == source.scope, episodes.c.asof >= asof)
        .order_by(episodes.c.asof, episodes.c.pair)
    )
    with source.database.begin() as connection:
        return [(row.asof, row.id) for row in connection.execute(query)]


def newest_asof(source: RunContext) -> datetime | None:
    """Candle close of the newest decision; None before the first."""
    query = select(func.max(episodes.c.asof)).where(episodes.c.scope == source.scope)
    with source.database.begin() as connection:
        newest = connection.scalar(query)
    return None if newest is None else moment(newest)


def fate_of(episode: Episode, lines: Sequence[Line]) -> tuple[DecisionStatus, str]:
    """What became of a decision, and the gate's newest cause where it refused an order of it.

    :param lines: those of the risk journal about it. A baseline's say nothing of its fate: it is
        backtested over the same decisions, and trades on a depth of its own.
    """
    lines = [line for line in lines if line.get("run") not in _BASELINES]
    causes = [str(line.get("cause", "")) for line in lines if line["kind"] == "refusal"]
    cause = causes[-1] if causes else ""
    kinds = {line["kind"] for line in lines}
    return fate_from(episode.decision.action, episode.verdict.action, kinds), cause


def _lines_of(source: RunContext, log: RiskLog, decision: str) -> tuple[Line, ...]:
    """Of the bot's journal, which is the newest; else what the store keeps beside the episode."""
    followed = log.of(decision) if source.is_bots else ()
    return followed or _kept_lines(source, decision)


def _kept_lines(source: RunContext, decision: str) -> tuple[Line, ...]:
    notes = risk_notes_of(source.database, source.scope, decision)
    return tuple(
        {
            "at": n.known_at.isoformat(),
            "kind": n.kind,
            "pair": n.pair,
            "decision": n.decision,
            "run": n.run,
            **n.data,
        }
        for n in notes
    )


def _filtered(
    scope: str,
    pair: str | None,
    fate: DecisionStatus | None,
    since: datetime | None,
    until: datetime | None,
    cursor: tuple[int, str] | None,
    debated: bool | None,
) -> Select[Any]:
    table = episodes.c
    held = table.debate.is_not(None)
    columns = (table.id, table.asof, table.pair, table.fate, table.record, table.outcome)
    query = select(*columns, held.label("debated"))
    query = query.where(table.scope == scope).order_by(table.asof.desc(), table.pair.desc())
    if pair is not None:
        query = query.where(table.pair == pair)
    if fate is not None:
        query = query.where(table.fate == fate)
    if since is not None:
        query = query.where(table.asof >= seconds(since.replace(microsecond=0)))
    if until is not None:
        query = query.where(table.asof < math.ceil(until.timestamp()))
    if debated is not None:
        query = query.where(held if debated else table.debate.is_(None))
    if cursor is not None:
        query = query.where(tuple_(table.asof, table.pair) < tuple_(*map(literal, cursor)))
    return query


def _parsed(cursor: str | None) -> tuple[int, str] | None:
    if cursor is None:
        return None
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise ConfigError(f"`before` = {cursor!r} is not a page; use the `next` of the page before it")
    return int(match[1]), match[2]
