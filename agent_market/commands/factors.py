"""`agent-market factors`: formulaic factors from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent_market.errors import ConfigError

app = typer.Typer(
    help="Formulaic factors: what an expression means, and the reference page.", no_args_is_help=True
)

PAGE = Path("docs/factors.md")


@app.command()
def explain(
    expression: Annotated[str, typer.Argument(help="The expression, e.g. 'zscore(volume, 24)'.")],
    timeframe: Annotated[str, typer.Option("--timeframe", "-t", help="Candles it would run on.")] = "1h",
) -> None:
    """Print an expression's tree, warm-up, cost and meaning, or what is wrong with it and where."""
    from rich.console import Console

    from agent_market.factors.explain import facts, meanings, outline
    from agent_market.factors.operators import TIMEFRAMES
    from agent_market.factors.parse import parse, parse_factor

    if timeframe not in TIMEFRAMES:
        raise ConfigError(f"--timeframe {timeframe} is not known; use one of {', '.join(TIMEFRAMES)}")
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
    """Write the operator tables of docs/factors.md from the code (run it in the root of the repository)."""
    from agent_market.factors.document import with_tables

    if not page.is_file():
        raise ConfigError(f"--page {page} is no file; run this in the root of the repository")
    old = page.read_text(encoding="utf-8")
    new = with_tables(old)
    if check and old != new:
        raise ConfigError(f"{page} is out of date; run `agent-market factors docs` and commit it")
    if not check:
        page.write_text(new, encoding="utf-8")
    typer.echo(f"{page} is up to date" if check else f"wrote {page}")
