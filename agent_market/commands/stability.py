"""`agent-market stability`: measure how much a model's answers to equal prompts vary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_market.utils.plain_text import echo_json

if TYPE_CHECKING:
    from agent_market.agents.diagnostics.stability import AgentStability, Asked
    from agent_market.records import Episode


def stability(
    userdir: Annotated[Path, typer.Option(help="freqtrade's user_data directory.")] = Path("user_data"),
    config: Annotated[
        list[Path] | None,
        typer.Option(
            "--config", "-c", help="Config file, as for freqtrade (user_data/config.json if left out)."
        ),
    ] = None,
    scope: Annotated[str | None, typer.Option(help="Which run or bot; the newest if left out.")] = None,
    questions: Annotated[int, typer.Option(min=1, help="Recorded decisions to ask about.")] = 50,
    repeats: Annotated[int, typer.Option(min=1, help="Times each is asked, of each model.")] = 5,
    models: Annotated[
        str | None, typer.Option(help="Models to ask, as a,b (the configured one if left out).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Ask recorded questions again and report how often the action flips and how far depths spread.

    Each repeat has a seed of its own and is recorded like any other answer: running it again costs nothing,
    and `agent_market.llm.mode` = "replay" shows what was measured. The quant and the memory say what they
    said; all agents that read a prompt are asked, the judge with the views of its own repeat.
    """
    from dataclasses import asdict

    import orjson

    from agent_market.agents.committee import prompt_book, seat_committee
    from agent_market.agents.diagnostics.stability import ask_again, measure_stability, variants_of
    from agent_market.commands.recorded import recorded
    from agent_market.llm.answers.sources import open_answers
    from agent_market.records import AgentView
    from agent_market.utils.console import Console

    names = [name.strip() for name in (models or "").split(",") if name.strip()]
    with recorded(userdir, config, scope) as found:
        settings = found.settings
        variants = variants_of(settings.llm, repeats, names)
        opened = [
            open_answers(llm, found.database, settings.budget, f"stability {found.scope}") for llm in variants
        ]
        book = prompt_book(settings, found.database)
        try:
            committees = [
                seat_committee(settings, answers, book, userdir, found.glossary, found.pairs)
                for answers in opened
            ]

            def asker(number: int) -> Asked:
                committee = committees[number]
                models_named = {role.name for role in committee.roles if role.source == "llm"}

                def ask(episode: Episode) -> Sequence[AgentView]:
                    given = {v.agent: v for v in episode.views if v.agent not in models_named}
                    return committee.ask(episode.view, episode.recall, given, found.before(episode))

                return ask

            chosen = _spread(found.episodes, questions)
            depths = ask_again(
                chosen,
                [asker(number) for number in range(len(committees))],
                settings.decision,
                settings.llm.max_in_flight,
            )
        finally:
            for answers in opened:
                answers.close()
    rows = measure_stability(depths, settings.decision.hold_threshold)
    if as_json:
        report = {
            "scope": found.scope,
            "questions": len(chosen),
            "asked": [{"model": v.model, "seed": v.seed, "temperature": v.temperature} for v in variants],
            "agents": [asdict(row) for row in rows],
        }
        echo_json(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    else:
        title = f"{len(chosen)} questions of {found.scope}, each asked {len(variants)} times"
        Console().print(_table(title, rows))


def _spread(episodes: Sequence[Episode], count: int) -> list[Episode]:
    """`count` of the episodes at equal distances, first and last among them; all if there are fewer."""
    if len(episodes) <= count:
        return list(episodes)
    if count == 1:
        return [episodes[-1]]
    last = len(episodes) - 1
    return [episodes[round(i * last / (count - 1))] for i in range(count)]


def _table(title: str, rows: Sequence[AgentStability]) -> object:
    from rich.table import Table

    table = Table(title=title, caption="flips: chance that two answers to a question act differently")
    table.add_column("agent", no_wrap=True)
    for heading in ("answers", "abstained", "flips", "questions that flip", "depth spread", "widest range"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            row.agent,
            f"{row.answers:,}",
            f"{row.abstained:.0%}",
            _percent(row.flip_rate),
            _percent(row.unstable),
            "–" if row.depth_spread is None else f"{row.depth_spread:.2f}",
            "–" if row.largest_range is None else f"{row.largest_range:.1f}",
        )
    return table


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
