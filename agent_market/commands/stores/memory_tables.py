"""Memory as text for people: notes, episodes, the log, counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from agent_market.config import TextSettings
from agent_market.errors import DataError
from agent_market.memory.bitemporal import Times
from agent_market.memory.episode_text import tell
from agent_market.memory.long_term import LongTermMemory
from agent_market.memory.note_store import LogLine, NoteStore, forgotten
from agent_market.memory.notes import Note
from agent_market.memory.rejections import refusal_counts
from agent_market.store.database import Database
from agent_market.store.episodes import read_episodes
from agent_market.store.jobs import runs_of_all_scopes
from agent_market.store.schema import episodes, graph_edges, memory_log, notes, text_vectors

if TYPE_CHECKING:
    from rich.table import Table


def notes_table(held: Sequence[Note]) -> Table:
    """All notes, oldest first."""
    from rich.table import Table

    table = Table(title=f"{len(held)} note{'' if len(held) == 1 else 's'}")
    table.add_column("id", no_wrap=True)
    for heading in ("known (UTC)", "until", "applies to", "author", "", "note"):
        table.add_column(heading, overflow="fold")
    for note in held:
        ends = note.times.invalid_from
        table.add_row(
            note.id,
            _when(note.times.known),
            _when(ends) if ends else "",
            where(note),
            note.author,
            "pinned" if note.pinned else "",
            note.text,
        )
    return table


def note_lines(database: Database, note_id: str) -> tuple[str, ...]:
    """One note with its times.

    :raises DataError: there is no such note.
    """
    note = NoteStore(database).get(note_id)
    head = f"{note.id} by {note.author} ({note.source}, trust {note.trust:g})"
    replaced = (f"corrects {note.corrects}",) if note.corrects else ()
    pinned = ("pinned",) if note.pinned else ()
    return (note.text, head, f"applies to {where(note)}", *times_lines(note.times), *replaced, *pinned)


def episode_lines(database: Database, scope: str, episode_id: str) -> tuple[str, ...]:
    """The 5W1H of one episode.

    :raises DataError: there is no such episode.
    """
    found = next((e for e in read_episodes(database, scope) if e.id == episode_id), None)
    if found is None:
        raise DataError(f"no episode {episode_id!r} in scope {scope!r}; `agent-market decisions` lists them")
    story = tell(found)
    times = Times(
        story.when.event, story.when.known, story.when.valid_from, forgotten(database, scope).get(episode_id)
    )
    return (
        f"where  {story.where}",
        f"what   {story.what}",
        f"who    {'; '.join(story.who)}",
        *(f"why    {line}" for line in story.why),
        f"how    {'; '.join(story.how)}",
        *times_lines(times),
    )


def log_text(line: LogLine) -> str:
    """One line of the log."""
    why = f": {line.reason}" if line.reason else ""
    return f"{_when(line.at)}  {line.action} by {line.author}{why}"


def times_lines(times: Times) -> tuple[str, ...]:
    """The four times."""
    ends = "open" if times.invalid_from is None else _when(times.invalid_from)
    return (
        f"event  {_when(times.event)}   known {_when(times.known)}",
        f"valid  {_when(times.valid_from)} to {ends}",
    )


def stats_lines(database: Database) -> tuple[str, ...]:
    """Counts of all that memory holds, refusals by rule, and the jobs' last runs."""
    settled, gone = func.count(episodes.c.known_at), func.count(episodes.c.invalid_from)
    by_scope = select(episodes.c.scope, func.count(), settled, gone).group_by(episodes.c.scope)
    with database.begin() as connection:
        lived = connection.execute(by_scope.order_by(episodes.c.scope)).all()
        counts = {
            table.name: connection.scalar(select(func.count()).select_from(table))
            for table in (notes, text_vectors, graph_edges, memory_log)
        }
    lines = [
        f"episodes {scope}: {count:,}, {known:,} with outcome, {hidden:,} forgotten"
        for scope, count, known, hidden in lived
    ] or ["episodes: none"]
    lines += [f"{name.replace('_', ' ')}: {count:,}" for name, count in counts.items()]
    lines += [
        f"refused {row.scope or 'notes'} {row.rule}: {row.count:,}, last {_when(row.last_at)} ({row.sample})"
        for row in refusal_counts(database)
    ]
    lines += [
        f"job {f'{scope} ' if scope else ''}{name}: {_when(at)} {result}"
        for (scope, name), (at, result) in runs_of_all_scopes(database).items()
    ]
    return tuple(lines)


def left_out_lines(database: Database, scope: str) -> tuple[str, ...]:
    """How many views of a scope's settled episodes became search texts, and how many not, by rule."""
    memory = LongTermMemory(database, scope, TextSettings())
    texts = len(memory) - len(NoteStore(database).all())
    refused = (f"left out of search {rule}: {count:,}" for rule, count in sorted(memory.refused.items()))
    return (f"search texts {scope}: {texts:,}", *refused)


def where(note: Note) -> str:
    """Where a note applies, in words."""
    aspects = note.aspects
    return ", ".join(a for a in (aspects.pair, aspects.regime, aspects.strategy) if a) or "everything"


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
