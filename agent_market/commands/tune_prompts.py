"""`agent-market tune-prompts`: tune prompts on recorded decisions, and withdraw them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_market.utils.plain_text import echo, echo_json

if TYPE_CHECKING:
    from datetime import datetime

    from agent_market.agents.roles import Role
    from agent_market.agents.tuning.campaign import Campaign
    from agent_market.commands.recorded import Recorded
    from agent_market.store.prompts import Promotion


def tune_prompts(
    userdir: Annotated[Path, typer.Option(help="freqtrade's user_data directory.")] = Path("user_data"),
    config: Annotated[
        list[Path] | None,
        typer.Option(
            "--config", "-c", help="Config file, as for freqtrade (user_data/config.json if left out)."
        ),
    ] = None,
    role: Annotated[str | None, typer.Option(help="Agent whose prompt to tune.")] = None,
    scope: Annotated[str | None, typer.Option(help="Which run or bot; the newest if left out.")] = None,
    for_scope: Annotated[
        str | None,
        typer.Option("--for", help="Promote for this run or bot (its memory.scope, or live) alone."),
    ] = None,
    rollback: Annotated[
        bool,
        typer.Option("--rollback", help="Take the newest promotion of --role back, at any time."),
    ] = False,
    listed: Annotated[
        bool, typer.Option("--list", help="Show all promotions, and what each was promoted on.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result as one JSON object.")] = False,
) -> None:
    """Search for a better prompt on recorded decisions, and promote it only if later ones prove it.

    gepa rewrites the belief and decision parts of one agent's prompt by what code measured on the earlier
    decisions. The best is asked about the later ones, once; a paired block bootstrap of its lead, deflated
    by all trials ever made on that span, decides. A promoted prompt is used for decisions after the last
    outcome that speaks for it, never before; a running bot takes it up at its next candle. Settings:
    `agent_market.tuning`.
    """
    from agent_market.commands.recorded import recorded
    from agent_market.errors import ConfigError

    if not listed and role is None:
        raise ConfigError("name the agent with --role, as in --role aggressive; --list shows all promotions")
    searching = not (listed or rollback)
    with recorded(userdir, config, scope, with_episodes=searching) as found:
        if listed:
            show_promotions(found, role, as_json)
        elif rollback:
            take_back(found, role or "", as_json, for_scope)
        else:
            target = _target(found, for_scope)
            _show_campaign(_tune(found, role or "", quiet=as_json, scope=target), as_json)


def _target(found: Recorded, for_scope: str | None) -> str:
    """The scope that promotions are for: the one that was named, else the config's, else every one."""
    return for_scope if for_scope is not None else found.settings.memory.scope or ""


def _tune(found: Recorded, role: str, quiet: bool, scope: str) -> Campaign:
    from agent_market.agents.committee import Committee, prompt_book, seat_committee
    from agent_market.agents.tuning.campaign import run_campaign
    from agent_market.agents.tuning.panel import PromptPanel, StrictAnswers
    from agent_market.agents.tuning.reflection import Reflector
    from agent_market.agents.tuning.versions import PromptBook, model_of
    from agent_market.llm.answers.sources import open_answers
    from agent_market.utils.console import Console

    settings = found.settings
    book = prompt_book(settings, found.database, scope)
    held = _asked_role(book.newest, role)
    console = Console(stderr=True)
    answers = StrictAnswers(
        open_answers(settings.llm, found.database, settings.budget, f"tuning {found.scope}")
    )

    def seating(roles: Sequence[Role]) -> Committee:
        return seat_committee(
            settings, answers, PromptBook((tuple(roles),)), found.user_data, found.glossary, found.pairs
        )

    def say(line: str) -> None:
        if not quiet:
            console.print(line, highlight=False, soft_wrap=True)

    try:
        panel = PromptPanel(held, book.newest, seating, settings.llm.max_in_flight)
        return run_campaign(
            panel,
            Reflector(role, answers, settings.tuning.max_tokens),
            found.episodes,
            found.database,
            model_of(held, settings.llm),
            settings.decision,
            settings.tuning,
            say,
            scope,
        )
    finally:
        answers.close()


def _asked_role(table: Sequence[Role], name: str) -> Role:
    from agent_market.errors import ConfigError

    asked = [role for role in table if role.source == "llm"]
    for role in asked:
        if role.name == name:
            return role
    known = ", ".join(role.name for role in asked) or "none"
    raise ConfigError(f"no agent {name!r} reads a prompt in this config; those that do: {known}")


def _show_campaign(done: Campaign, as_json: bool) -> None:
    from dataclasses import asdict

    import orjson

    if as_json:
        echo_json(orjson.dumps(asdict(done), option=orjson.OPT_INDENT_2))
        return
    echo(
        f"{len(done.tried)} candidates tried now, {done.trials} in all on this span "
        f"({done.effective:.1f} effective); mean reward of the prompt in force on the training span "
        f"{done.incumbent.training:+.4f}"
    )
    if done.chosen is None or done.verdict is None:
        echo("no candidate was better on the training span: the prompt in force stays")
        return
    echo(f"best: {done.chosen.version}, {done.chosen.training:+.4f} there; validation {done.verdict.reason}")
    echo(
        f"deflated Sharpe ratio {done.verdict.deflated_sharpe:.2f}; "
        f"mean block of {done.verdict.test.block} moments"
    )
    if not done.promoted:
        echo("not promoted: the prompt in force stays")
        return
    echo(f"promoted: decisions of {done.role} from {done.known_at:%Y-%m-%d %H:%M} UTC on use it")
    for part, text in done.chosen.texts.items():
        if text != done.incumbent.texts.get(part):
            echo(f"\n{part}: {text}")


def take_back(
    found: Recorded,
    role: str,
    as_json: bool,
    for_scope: str | None,
    since: datetime | None = None,
    reason: str = "",
) -> None:
    """Withdraw the newest promotion of `role` that stands, and say what is in force then.

    :param since: first moment that does without it; None = it counts for no decision at any time.
    :raises DataError: there is none in that scope.
    """
    import orjson

    from agent_market.errors import DataError
    from agent_market.store.prompts import promotions, roll_back

    scope = _target(found, for_scope)
    undone = roll_back(found.database, role, scope, reason, since)
    if undone is None:
        standing = {p.scope for p in promotions(found.database, role) if p.withdrawn_at is None}
        others = ", ".join(sorted(name or "every run" for name in standing - {scope}))
        raise DataError(
            f"no promotion of agent {role!r} stands{f' for {scope}' if scope else ''}; --list shows all"
            + (f", and --for names one of: {others}" if others else "")
        )
    if as_json:
        echo_json(orjson.dumps({"withdrawn": undone.prompt.version, "in_force": undone.replaced}))
    else:
        echo(f"{undone.prompt.version} is withdrawn; {undone.replaced} is in force again")


def show_promotions(found: Recorded, role: str | None, as_json: bool) -> None:
    from dataclasses import asdict

    """Print all promotions (of one role) as a table or as JSON."""
    import orjson

    from agent_market.store.prompts import promotions
    from agent_market.utils.console import Console

    rows = promotions(found.database, role)
    if as_json:
        echo_json(orjson.dumps([asdict(row) for row in rows], option=orjson.OPT_INDENT_2))
    elif rows:
        Console().print(_table(rows))
    else:
        echo("nothing has been promoted: every agent uses the prompt of its role table")


def _table(rows: Sequence[Promotion]) -> object:
    from rich.table import Table

    table = Table(title="promoted prompts")
    for heading in (
        "agent",
        "for",
        "version",
        "replaces",
        "decides from (UTC)",
        "model",
        "lead",
        "deflated p",
        "state",
    ):
        table.add_column(heading, justify="right" if heading in ("lead", "deflated p") else "left")
    for row in rows:
        withdrawn = row.withdrawn_at
        table.add_row(
            row.prompt.role,
            row.scope or "every run",
            row.prompt.version,
            row.replaced,
            f"{row.known_at:%Y-%m-%d %H:%M}",
            str(row.evidence.get("model", "")),
            f"{row.evidence.get('lead', 0.0):+.4f}",
            f"{row.evidence.get('deflated_p', 1.0):.4f}",
            "stands" if withdrawn is None else f"withdrawn {withdrawn:%Y-%m-%d} {row.withdrawn_reason}",
        )
    return table
