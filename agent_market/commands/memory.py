"""`agent-market memory`: teach, show, search, correct, pin and forget what the agents remember."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_market.commands.arguments.free_text import FreeTextCommand
from agent_market.errors import ConfigError, DataError
from agent_market.utils.plain_text import echo, echo_json, one_line

if TYPE_CHECKING:
    from agent_market.memory.note_store import AuditEntry

app = typer.Typer(help="What the agents remember: teach it, look at it, put it right.", no_args_is_help=True)

UserDir = Annotated[Path, typer.Option(help="freqtrade's user_data directory.")]
Store = Annotated[str | None, typer.Option(help="URL of the store; the newest run's if left out.")]
Author = Annotated[str | None, typer.Option(help="Who does this; the login name if left out.")]
Reason = Annotated[str, typer.Option(help="Why, for the log.")]
Scope = Annotated[str | None, typer.Option(help="Run or bot whose episodes are meant.")]
Time = Annotated[str | None, typer.Option(help="UTC time such as 2024-01-05T12:00; now if left out.")]

USER_DATA = Path("user_data")


@app.command(cls=FreeTextCommand)
def teach(
    text: Annotated[str, typer.Argument(help="What the agents should know, in a sentence or two.")],
    pair: Annotated[str | None, typer.Option(help="Only for this pair.")] = None,
    regime: Annotated[str | None, typer.Option(help="Only in this regime, e.g. down-wild.")] = None,
    scope: Annotated[str | None, typer.Option(help="Only for this run or bot.")] = None,
    known_at: Time = None,
    until: Annotated[str | None, typer.Option(help="No longer true from this UTC time.")] = None,
    pin: Annotated[bool, typer.Option("--pin", help="Put it before all others that apply.")] = False,
    author: Author = None,
    reason: Reason = "",
    userdir: UserDir = USER_DATA,
    store: Store = None,
) -> None:
    """Teach the agents something: decisions from now on see it where it applies.

    A backtest of the past does not see it, because it was not known then. --known-at sets an earlier time; a
    backtest that uses what was learned later shows hindsight, not skill.
    """
    from agent_market.commands.stores.opening import open_store, url_of_store
    from agent_market.features.regime import REGIMES
    from agent_market.memory.bitemporal import Times
    from agent_market.memory.note_store import NoteStore
    from agent_market.memory.notes import Note
    from agent_market.memory.text.index import Aspects

    if regime is not None and regime not in REGIMES:
        raise ConfigError(f"Unknown --regime {regime}; use one of {', '.join(REGIMES)}")
    known = _time(known_at)
    ends = None if until is None else _time(until)
    if ends is not None and ends <= known:
        raise ConfigError(
            f"--until {until} is not after the time it is known from, {known:%Y-%m-%dT%H:%M:%SZ}"
        )
    hand = _hand(author, reason)
    note = Note(
        text=text.strip(),
        author=hand.author,
        times=Times(known, known, known, ends),
        aspects=Aspects(pair, regime, scope),
        pinned=pin,
    )
    with open_store(url_of_store(userdir, store)) as database:
        refused = NoteStore(database).teach(note, hand)
    if refused is not None:
        raise DataError(f"not taught ({refused.rule}): {refused.why}")
    echo(f"taught {note.id}")


@app.command(cls=FreeTextCommand)
def correct(
    note: Annotated[str, typer.Argument(help="Id of the note.")],
    text: Annotated[str, typer.Argument(help="What is true instead.")],
    author: Author = None,
    reason: Reason = "",
    userdir: UserDir = USER_DATA,
    store: Store = None,
) -> None:
    """Replace a note from now on. Questions about earlier times still get the old one."""
    from dataclasses import replace

    from agent_market.commands.stores.opening import open_store, url_of_store
    from agent_market.memory.bitemporal import Times
    from agent_market.memory.note_store import NoteStore

    hand = _hand(author, reason)
    with open_store(url_of_store(userdir, store)) as database:
        book = NoteStore(database)
        old = book.get(note)
        times = Times(old.times.event, hand.at, hand.at)
        new = replace(old, text=text.strip(), author=hand.author, times=times, corrects=old.id)
        refused = book.correct(note, new, hand)
    if refused is not None:
        raise DataError(f"not corrected ({refused.rule}): {refused.why}")
    echo(f"{note} is replaced by {new.id}")


@app.command()
def pin(
    subject: Annotated[str, typer.Argument(help="Id of a note, or of an episode with --scope.")],
    scope: Scope = None,
    off: Annotated[bool, typer.Option("--off", help="Take the pin away.")] = False,
    author: Author = None,
    reason: Reason = "",
    userdir: UserDir = USER_DATA,
    store: Store = None,
) -> None:
    """Put a note before all others wherever it applies, or keep an episode from being forgotten.

    A pinned episode stays among what is recalled, and comes back from the archive at the next re-assessment.
    """
    from agent_market.commands.stores.opening import open_store, url_of_store
    from agent_market.memory.note_store import NoteStore, pin_episode

    hand = _hand(author, reason)
    with open_store(url_of_store(userdir, store)) as database:
        if scope is None:
            NoteStore(database).pin(subject, hand, not off)
        else:
            pin_episode(database, scope, subject, hand, not off)
    echo(f"{subject} is {'no longer pinned' if off else 'pinned'}")


@app.command()
def forget(
    subject: Annotated[str, typer.Argument(help="Id of a note, or of an episode with --scope.")],
    scope: Scope = None,
    author: Author = None,
    reason: Reason = "",
    userdir: UserDir = USER_DATA,
    store: Store = None,
) -> None:
    """Delete a note, or leave an episode out of every recall. A running bot follows at its next candle.

    Of a note only the log line stays. An episode's decision stays on record, and is marked as forgotten.
    """
    from agent_market.commands.stores.opening import open_store, url_of_store
    from agent_market.memory.note_store import NoteStore, forget_episode

    hand = _hand(author, reason)
    with open_store(url_of_store(userdir, store)) as database:
        if scope is None:
            NoteStore(database).forget(subject, hand)
        else:
            forget_episode(database, scope, subject, hand)
    echo(f"forgot {subject}")


@app.command()
def show(
    subject: Annotated[
        str | None, typer.Argument(help="Id of a note or episode; all notes if left out.")
    ] = None,
    scope: Scope = None,
    userdir: UserDir = USER_DATA,
    store: Store = None,
) -> None:
    """Show all notes, or one note or episode with its four times, its reasons and what was done to it."""
    from agent_market.commands.stores.memory_tables import episode_lines, log_text, note_lines, notes_table
    from agent_market.commands.stores.opening import open_store, url_of_store
    from agent_market.memory.note_store import NoteStore, log_lines
    from agent_market.utils.console import Console

    console = Console()
    with open_store(url_of_store(userdir, store)) as database:
        if subject is None:
            console.print(notes_table(NoteStore(database).all()))
            return
        body = note_lines(database, subject) if scope is None else episode_lines(database, scope, subject)
        lines = [*body, *map(log_text, log_lines(database, subject))]
    console.print("\n".join(map(one_line, lines)), markup=False, highlight=False, soft_wrap=True)


@app.command(cls=FreeTextCommand)
def search(
    query: Annotated[str, typer.Argument(help="What to look for, in words.")],
    asof: Time = None,
    scope: Annotated[str | None, typer.Option(help="Search what was said in this run or bot, too.")] = None,
    pair: Annotated[str | None, typer.Option(help="Only what applies to this pair.")] = None,
    embedder: Annotated[str | None, typer.Option(help="Name or folder of a model for meaning.")] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="How many.")] = 5,
    userdir: UserDir = USER_DATA,
    store: Store = None,
) -> None:
    """Search memory by text, as it stood at a time."""
    from agent_market.commands.stores.opening import open_store, url_of_store
    from agent_market.config import TextSettings
    from agent_market.memory.long_term import LongTermMemory
    from agent_market.memory.text.index import Aspects

    with open_store(url_of_store(userdir, store)) as database:
        memory = LongTermMemory(database, scope, TextSettings(embedder=embedder))
        hits = memory.search(query, _time(asof), k, Aspects(pair=pair))
    if not hits:
        echo("nothing in memory says anything to that")
    for hit in hits:
        known = datetime.fromtimestamp(hit.item.known_at, UTC)
        echo(f"{hit.score:+.2f}  {hit.item.id}  known {known:%Y-%m-%d %H:%M}  {one_line(hit.item.text)}")
        if hit.merged:
            echo(f"       says the same: {', '.join(hit.merged)}")
        if hit.contested_by:
            echo(f"       contradicted by: {', '.join(hit.contested_by)}")


@app.command()
def stats(
    scope: Annotated[str | None, typer.Option(help="Also what of this run is no search text.")] = None,
    userdir: UserDir = USER_DATA,
    store: Store = None,
) -> None:
    """Count what memory holds, what its gates refused, and when its jobs ran."""
    from agent_market.commands.stores.memory_tables import left_out_lines, stats_lines
    from agent_market.commands.stores.opening import open_store, url_of_store

    with open_store(url_of_store(userdir, store)) as database:
        echo("\n".join([*stats_lines(database), *(left_out_lines(database, scope) if scope else ())]))


@app.command()
def discover(
    scope: Annotated[str, typer.Option(help="Run or bot whose episodes show where agents earn.")],
    datadir: Annotated[Path | None, typer.Option(help="Folder with candles (freqtrade's --datadir).")] = None,
    pairs: Annotated[str, typer.Option(help="Pairs, separated by blanks.")] = "",
    timeframe: Annotated[str, typer.Option(help="Timeframe of the candles.")] = "1h",
    candles: Annotated[int, typer.Option(min=100, help="How many of the newest candles are used.")] = 2_000,
    asof: Time = None,
    force: Annotated[bool, typer.Option("--force", help="Also within a week of the last time.")] = False,
    userdir: UserDir = USER_DATA,
    store: Store = None,
) -> None:
    """Look for edges of the knowledge graph, once a week: a line for cron, or the bot's weekly job."""
    from agent_market.commands.stores.opening import open_store, url_of_store
    from agent_market.memory.graph.job import discover as find
    from agent_market.memory.graph.market import closes
    from agent_market.store.episodes import scopes_of

    moment = _time(asof)
    found_closes = closes(datadir, pairs.split(), timeframe, moment, candles) if datadir else {}
    with open_store(url_of_store(userdir, store)) as database:
        found = find(database, scope, found_closes, moment, force)
        known = scope in scopes_of(database)
    if found is None:
        echo("looked for less than a week ago; --force looks again")
    else:
        echo(", ".join(f"{count} {kind}" for kind, count in found.items()) or "no edge is significant")
    if not known:
        echo(f"no decision of {scope} is in this store; `agent-market memory stats` names all", err=True)


@app.command()
def graph(
    source: Annotated[
        str | None, typer.Argument(help="A node, e.g. asset:BTC: what is known of it ...")
    ] = None,
    target: Annotated[str | None, typer.Argument(help="... and how it hangs together with this one.")] = None,
    scope: Scope = None,
    asof: Time = None,
    out: Annotated[Path | None, typer.Option(help="Write the whole graph as JSON for drawing.")] = None,
    userdir: UserDir = USER_DATA,
    store: Store = None,
) -> None:
    """Explain a node or the path between two, or export the knowledge graph, as it stood at a time."""
    from agent_market.commands.stores.opening import open_store, url_of_store
    from agent_market.memory.graph.export import to_json
    from agent_market.memory.graph.graph_store import edges_at
    from agent_market.memory.graph.paths import edges_of, explain, named_node, sentence, strongest_path
    from agent_market.utils.durable import replace_text

    with open_store(url_of_store(userdir, store)) as database:
        edges = edges_at(database, _time(asof), scope)
    if out is not None:
        replace_text(out, to_json(edges).decode() + "\n")
        echo(f"wrote {len(edges)} edges to {out}")
    if source is None:
        if out is None:
            echo_json(to_json(edges))
        return
    begin = named_node(edges, source)
    if target is None:
        lines: Sequence[str] = [sentence(edge) for edge in edges_of(edges, begin)]
    else:
        end = named_node(edges, target)
        path = strongest_path(edges, begin, end)
        lines = explain(path) if path else [f"no path from {begin} to {end}"]
    echo("\n".join(lines))


def _time(text: str | None) -> datetime:
    """A time from the command line, UTC, on a whole second."""
    if text is None:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"Invalid time {text!r}; use for example 2024-01-05T12:00 (UTC)") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)


def _hand(author: str | None, reason: str) -> AuditEntry:
    import getpass

    from agent_market.memory.note_store import AuditEntry

    return AuditEntry(author or getpass.getuser(), _time(None), reason)
