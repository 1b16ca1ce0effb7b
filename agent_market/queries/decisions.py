"""Decisions newest first, with what became of them: traded, refused at the gate, clamped away, or neither."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import and_, func, or_, select

from agent_market.errors import ConfigError, DataError
from agent_market.queries.risk_log import Line, RiskLog
from agent_market.queries.run_context import RunContext
from agent_market.records import Debate, Episode
from agent_market.runs.parts import BASELINES
from agent_market.store.episode_json import moment, record_from_json, seconds
from agent_market.store.episodes import find_episode, read_debate
from agent_market.store.risk_notes import backtest_run, risk_notes_of
from agent_market.store.schema import episodes

DecisionStatus = Literal["traded", "refused", "clamped", "hold", "not_traded"]
"""`traded`: an entry filled; `refused`: the gate let no order through; `clamped`: limits on depth took the
side away; `hold`: the committee wanted none; `not_traded`: a side was wanted and no entry asked for it (below
the strategy's threshold, a trade was open, no free slot)."""

SCAN = 2_000
"""Most decisions that one page looks at."""
BATCH = 200
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
    """Rows newest first; `next` asks for the rows after these, None at the end. `scanned` = looked at."""

    rows: tuple[DecisionRow, ...]
    next: str | None
    scanned: int


def decision_page(
    source: RunContext,
    log: RiskLog,
    pair: str | None = None,
    fate: DecisionStatus | None = None,
    since: datetime | None = None,
    before: str | None = None,
    limit: int = 50,
    debated: bool | None = None,
) -> Page:
    """One page, newest first. A page that looked at `SCAN` decisions ends early, with a `next`.

    :param before: `next` of the page before this one.
    :raises ConfigError: `before` is none.
    """
    rows: list[DecisionRow] = []
    scanned, cursor, last = 0, _parsed(before), None
    for row in _newest_first(source, pair, since, cursor, debated):
        if len(rows) == limit or scanned == SCAN:
            return Page(tuple(rows), last, scanned)
        scanned += 1
        last = f"{row.asof}~{row.pair}"
        found = _row(source, row, log)
        if fate in (None, found.fate):
            rows.append(found)
    return Page(tuple(rows), None, scanned)


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
    if any(line["kind"] == "fill" for line in lines):
        return "traded", cause
    if causes:
        return "refused", cause
    if episode.decision.action == "hold":
        return "hold", ""
    return ("clamped" if episode.verdict.action == "hold" else "not_traded"), ""


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


def _row(source: RunContext, row: Any, log: RiskLog) -> DecisionRow:
    episode = record_from_json(source.scope, row.record, row.outcome)
    lines = log.of(episode.id) if source.is_bots else _kept_lines(source, episode.id)
    fate, refusal = fate_of(episode, lines)
    return DecisionRow(episode, fate, refusal, bool(row.debated))


def _newest_first(
    source: RunContext,
    pair: str | None,
    since: datetime | None,
    cursor: tuple[int, str] | None,
    debated: bool | None,
) -> Iterator[Any]:
    table = episodes.c
    held = table.debate.is_not(None)
    query = select(table.asof, table.pair, table.record, table.outcome, held.label("debated"))
    query = query.where(table.scope == source.scope).order_by(table.asof.desc(), table.pair.desc())
    if pair is not None:
        query = query.where(table.pair == pair)
    if since is not None:
        query = query.where(table.asof >= seconds(since.replace(microsecond=0)))
    if debated is not None:
        query = query.where(held if debated else table.debate.is_(None))
    while True:
        batch = query.limit(BATCH)
        if cursor is not None:
            at, name = cursor
            batch = batch.where(or_(table.asof < at, and_(table.asof == at, table.pair < name)))
        with source.database.begin() as connection:
            rows = connection.execute(batch).all()
        yield from rows
        if len(rows) < BATCH:
            return
        cursor = (rows[-1].asof, rows[-1].pair)


def _parsed(cursor: str | None) -> tuple[int, str] | None:
    if cursor is None:
        return None
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise ConfigError(f"`before` = {cursor!r} is not a page; use the `next` of the page before it")
    return int(match[1]), match[2]
