"""/memory and /teach: what is remembered of a subject, and what a human adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from agent_market.bot.telegram.request import Asked
from agent_market.errors import ConfigError, DataError
from agent_market.memory.bitemporal import Times
from agent_market.memory.note_store import AuditEntry, NoteStore
from agent_market.memory.notes import Note
from agent_market.memory.text.index import Aspects, Hit
from agent_market.queries.knowledge import search_memory
from agent_market.utils.plain_text import one_line
from agent_market.utils.time import moment

AUTHOR_LENGTH = 128


def memory(asked: Asked) -> str:
    """What memory holds on the words, best first.

    :raises ConfigError: no words.
    :raises DataError: there is no store yet.
    """
    if not asked.text:
        raise ConfigError("say what to look for: /memory breakout after high volume")
    return memory_text(asked.text, search_memory(asked.source, asked.text))


def teach(asked: Asked) -> str:
    """Take a note in, with author and date; decisions from now on see it where it applies.

    :raises ConfigError: no words.
    :raises DataError: memory's gate refuses it.
    """
    words = asked.words
    pair = words[0].upper() if words and "/" in words[0] else None
    text = " ".join(words[1:] if pair else words)
    if not text:
        raise ConfigError("say what the agents should know: /teach [BTC/USDT] funding turns before the price")
    now = datetime.now(UTC).replace(microsecond=0)
    author = asked.by[:AUTHOR_LENGTH]
    note = Note(text=text, author=author, times=Times(now, now, now), aspects=Aspects(pair))
    refused = NoteStore(asked.source.database).teach(note, AuditEntry(author, now, "taught over Telegram"))
    if refused is not None:
        raise DataError(f"not taught ({refused.rule}): {refused.why}")
    where = f" on {pair}" if pair else ""
    return f"Taught{where} as note {note.id}\nby {author}, {moment(now)}; decisions from now on see it."


def memory_text(asked_for: str, hits: Sequence[Hit]) -> str:
    """One text a hit, with its id and when it was known."""
    if not hits:
        return f"Memory has nothing on {asked_for!r}."
    lines = [f"Memory on {asked_for!r}"]
    for hit in hits:
        known = moment(datetime.fromtimestamp(hit.item.known_at, UTC))
        lines.append(f"- {hit.item.text} [{hit.item.id}, known {known}]")
        if hit.contested_by:
            lines.append(f"  contradicted by {', '.join(hit.contested_by)}")
    return "\n".join(map(one_line, lines))
