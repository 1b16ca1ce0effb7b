"""`agent-market debate`: what the agents said to each other before a decision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_market.utils.plain_text import echo

if TYPE_CHECKING:
    from agent_market.records import Episode
    from agent_market.store.database import Database

app = typer.Typer(help="Full debates: which were held, and each as text.", no_args_is_help=True)

UserData = Annotated[Path, typer.Option("--userdir", help="freqtrade's user_data directory.")]
Scope = Annotated[str | None, typer.Option("--scope", help="Which run or bot; the newest if left out.")]


@app.command("list")
def list_debates(
    userdir: UserData = Path("user_data"),
    scope: Scope = None,
    last: Annotated[int, typer.Option(min=1, help="How many of the newest to show.")] = 20,
) -> None:
    """List the decisions that a full debate led to, newest last."""
    from rich.table import Table

    from agent_market.store.episodes import debated, read_debate
    from agent_market.utils.console import Console

    database, name, episodes = _open(userdir, scope)
    held = debated(database, name)
    found = [episode for episode in episodes if episode.id in held]
    shown = found[-last:]
    table = Table(title=f"{len(shown)} of {len(found)} debates, {len(episodes)} decisions, scope {name}")
    # An id that was cut off cannot be shown: it keeps its width, and the reasons wrap.
    table.add_column("decision", no_wrap=True)
    for heading in ("held because", "rounds", "ruling", "depth"):
        table.add_column(heading, justify="right" if heading in ("rounds", "depth") else "left")
    for episode in shown:
        debate = read_debate(database, name, episode.id)
        if debate is None:
            continue
        ruling = f"{debate.ruling} ({debate.ruling_confidence})" if debate.ruling else "none"
        rounds = max((speech.round for speech in debate.turns), default=0)
        depth = f"{episode.decision.depth:+.1f}"
        table.add_row(episode.id, debate.held_reason, str(rounds), ruling, depth)
    Console().print(table)


@app.command("show")
def show(
    decision: Annotated[str, typer.Argument(help="Decision id, as entry tags and the list name it.")],
    userdir: UserData = Path("user_data"),
    scope: Scope = None,
) -> None:
    """Show what was said before a decision: the debate or, where none was held, each agent's view."""
    import difflib

    from agent_market.agents.debate.transcript import transcript
    from agent_market.errors import DataError
    from agent_market.store.episodes import read_debate

    database, name, episodes = _open(userdir, scope)
    by_id = {episode.id: episode for episode in episodes}
    if decision not in by_id:
        close = difflib.get_close_matches(decision, by_id, n=2)
        hint = f"did you mean {' or '.join(close)}?" if close else "`agent-market debate list` shows some"
        raise DataError(f"no decision {decision!r} in scope {name!r}; {hint}")
    echo(transcript(by_id[decision], read_debate(database, name, decision)), nl=False)


def _open(userdir: Path, scope: str | None) -> tuple[Database, str, tuple[Episode, ...]]:
    from agent_market.runs.manifest import FOLDER, latest_manifest, read_manifest
    from agent_market.store.database import Database, store_url
    from agent_market.store.episodes import episodes_of

    manifest = read_manifest(userdir / FOLDER / f"{scope}.json") if scope else latest_manifest(userdir)
    database = Database(store_url(manifest.store_url, userdir))
    return database, manifest.scope, episodes_of(database, manifest.scope)
