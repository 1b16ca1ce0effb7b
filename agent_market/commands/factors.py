"""`agent-market factors`: formulaic factors from the command line."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_market.commands.arguments.free_text import FreeTextCommand
from agent_market.errors import ConfigError
from agent_market.utils.plain_text import echo

if TYPE_CHECKING:
    from agent_market.factors.mining.publishing import Published

app = typer.Typer(
    help="Formulaic factors: search for them, look at them, and what an expression means.",
    no_args_is_help=True,
)

PAGE = Path("docs/concepts/factors.md")

UserDir = Annotated[Path, typer.Option("--userdir", help="freqtrade's user_data directory.")]
Configs = Annotated[
    list[Path] | None,
    typer.Option("--config", "-c", help="Config file, as for freqtrade (user_data/config.json if left out)."),
]


@app.command()
def mine(
    userdir: UserDir = Path("user_data"),
    config: Configs = None,
    datadir: Annotated[
        Path | None, typer.Option("--datadir", help="Folder of candles, where it is not freqtrade's own.")
    ] = None,
    start: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day to search on.")
    ] = None,
    prove_from: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="First day to prove it on (the newest quarter if left out)."),
    ] = None,
    end: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Nothing from this day on is looked at.")
    ] = None,
    candidates: Annotated[
        int | None, typer.Option(min=1, help="Proposals to try, in place of `mining.candidates`.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="In place of `mining.seed`.")] = None,
    llm: Annotated[bool, typer.Option("--llm/--no-llm", help="Whether a model proposes too.")] = True,
    publishing: Annotated[
        bool, typer.Option("--publish/--no-publish", help="Put what was promoted in force at once.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="The result as one JSON object.")] = False,
) -> None:
    """Search for factors on earlier candles, and promote the pool only if later ones prove it.

    A library of classics, genetic variation and the language model propose; a bandit divides the candidates
    between them. Each candidate is a row in the trial ledger. The pool is judged on the later span once all
    trials are counted. Settings: `agent_market.mining`.
    """
    from agent_market.commands.mining import Wanted, run_search, show_result

    wanted = Wanted(userdir, config, datadir, start, prove_from, end, candidates, seed, llm, as_json)
    result, settings = run_search(wanted)
    published = None
    if publishing:
        from agent_market.factors.mining.api import publish

        published = publish(userdir, settings.mining)
    show_result(result, published, as_json)


@app.command("publish")
def publish_found(
    userdir: UserDir = Path("user_data"),
    config: Configs = None,
    unproven: Annotated[
        bool, typer.Option("--unproven", help="Also a pool that was not promoted; it is marked so.")
    ] = False,
) -> None:
    """Put the pool of the newest search in force as FreqAI features, if it was promoted."""
    from agent_market.commands.mining import settings_of
    from agent_market.factors.mining.api import publish

    settings, _ = settings_of(userdir, config)
    mining = settings.mining.model_copy(update={"unproven": True}) if unproven else settings.mining
    _say(publish(userdir, mining))


@app.command("list")
def list_factors(
    userdir: UserDir = Path("user_data"),
    as_json: Annotated[bool, typer.Option("--json", help="The file as it is.")] = False,
) -> None:
    """List the factors of the newest search, and which of them are in force."""
    from agent_market.commands.mining import show_list

    show_list(userdir, as_json)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name or hash of a factor, or the beginning of one.")],
    userdir: UserDir = Path("user_data"),
) -> None:
    """Show one factor of the newest search: where it came from and what it showed on both spans."""
    from agent_market.commands.mining import show_factor

    show_factor(userdir, name)


@app.command(cls=FreeTextCommand)
def explain(
    expression: Annotated[str, typer.Argument(help="The expression, e.g. 'zscore(volume, 24)'.")],
    timeframe: Annotated[str, typer.Option("--timeframe", "-t", help="Candles it would run on.")] = "1h",
) -> None:
    """Print an expression's tree, warm-up, cost and meaning, or what is wrong with it and where."""
    from agent_market.factors.explain import facts, meanings, outline
    from agent_market.factors.operators import TIMEFRAMES
    from agent_market.factors.parse import parse, parse_factor
    from agent_market.utils.console import Console

    if timeframe not in TIMEFRAMES:
        raise ConfigError(f"Invalid --timeframe {timeframe}; use one of {', '.join(TIMEFRAMES)}")
    written, factor = parse(expression), parse_factor(expression)
    lines = list(outline(written))
    lines.append("")
    lines += [f"{name:<10} {value}" for name, value in facts(factor, TIMEFRAMES[timeframe]).items()]
    lines.append("")
    lines += [f"{signature}: {meaning}" for signature, meaning in meanings(written).items()]
    Console().print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


@app.command()
def docs(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if it is out of date.")] = False,
    page: Annotated[Path, typer.Option("--page", help="The page to renew.")] = PAGE,
) -> None:
    """Write the operator tables of docs/concepts/factors.md from the code (run it in the root of the
    repository)."""
    from agent_market.factors.document import with_tables

    if not page.is_file():
        raise ConfigError(f"--page {page} is no file; run this in the root of the repository")
    old = page.read_text(encoding="utf-8")
    new = with_tables(old)
    if check and old != new:
        raise ConfigError(f"{page} is out of date; run `agent-market factors docs` and commit it")
    if not check:
        page.write_text(new, encoding="utf-8")
    echo(f"{page} is up to date" if check else f"wrote {page}")


def _say(published: Published) -> None:
    for line in published.lines:
        echo(line)
    echo(f"features: {published.file}")


def expression_agent() -> None:
    """`scripts/freqai_expression_agent.py`: search, and put nothing in force."""
    from agent_market.commands.mining import as_script

    as_script(app, ["mine", "--no-publish"])


def feature_agent() -> None:
    """`scripts/freqai_feature_agent.py`: put the newest search's pool in force."""
    from agent_market.commands.mining import as_script

    as_script(app, ["publish"])
