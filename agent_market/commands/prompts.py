"""`agent-market prompts`: which tuned prompts are in force for whom, and taking one out of force."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Tuned prompts: which are in force, and taking one out of force.", no_args_is_help=True
)

UserDir = Annotated[Path, typer.Option(help="freqtrade's user_data directory.")]
Configs = Annotated[
    list[Path] | None,
    typer.Option("--config", "-c", help="Config file, as for freqtrade (user_data/config.json if left out)."),
]
AsJson = Annotated[bool, typer.Option("--json", help="The result as one JSON object.")]

USER_DATA = Path("user_data")


@app.command("list")
def list_promotions(
    role: Annotated[str | None, typer.Option(help="Only those of this agent.")] = None,
    userdir: UserDir = USER_DATA,
    config: Configs = None,
    as_json: AsJson = False,
) -> None:
    """Show all promotions of every scope, withdrawn ones too, and what each was promoted on."""
    from agent_market.commands.recorded import recorded
    from agent_market.commands.tune_prompts import show_promotions

    with recorded(userdir, config, None, with_episodes=False) as found:
        show_promotions(found, role, as_json)


@app.command()
def withdraw(
    role: Annotated[str, typer.Option(help="Agent whose newest promotion to withdraw.")],
    for_scope: Annotated[
        str | None,
        typer.Option("--for", help="Run or bot that it was promoted for; the config's if left out."),
    ] = None,
    at_any_time: Annotated[
        bool,
        typer.Option("--at-any-time", help="For decisions before now too: backtests of the past go back."),
    ] = False,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    userdir: UserDir = USER_DATA,
    config: Configs = None,
    as_json: AsJson = False,
) -> None:
    """Take the newest promotion of an agent's prompt out of force; the prompt before it decides again.

    Decisions from now on do without it, those of a running bot from its next candle on; earlier decisions
    keep it, in backtests too. Nothing is deleted: `list` shows it with the reason.
    """
    from datetime import UTC, datetime

    from agent_market.commands.recorded import recorded
    from agent_market.commands.tune_prompts import take_back

    since = None if at_any_time else datetime.now(UTC)
    with recorded(userdir, config, None, with_episodes=False) as found:
        take_back(found, role, as_json, for_scope, since, reason)
