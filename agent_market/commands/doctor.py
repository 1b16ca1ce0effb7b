"""`agent-market doctor`: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent_market.utils.plain_text import echo_json

if TYPE_CHECKING:
    from agent_market.commands.checks.finding import Finding

EXIT_FAILED = 1


def doctor(
    userdir: Annotated[
        Path | None,
        typer.Option("--userdir", "-d", help="Your user_data directory (./user_data if left out)."),
    ] = None,
    config: Annotated[
        list[Path] | None,
        typer.Option("--config", "-c", help="Config file, as for freqtrade; may be given several times."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Findings as JSON instead of a table.")] = False,
) -> None:
    """Check versions, files, config, data, ports, the model endpoint and the database.

    Exit code 1 if anything fails. Without -c it takes config.json in the user_data directory, if it is there.
    """
    folder = userdir or Path("user_data")
    files = config if config is not None else [f for f in [folder / "config.json"] if f.is_file()]
    logging.disable(logging.WARNING)  # freqtrade logs each step of loading a config
    try:
        findings = tuple(examine(folder, files))
    finally:
        logging.disable(logging.NOTSET)
    if as_json:
        _print_json(findings)
    else:
        _print_table(findings)
    if any(finding.level == "fail" for finding in findings):
        raise typer.Exit(EXIT_FAILED)


def examine(userdir: Path, files: list[Path]) -> Iterator[Finding]:
    """All findings, in the order in which they are best repaired.

    What cannot be looked at because something before it failed is left out.
    """
    from agent_market.commands.checks import installation
    from agent_market.commands.checks.finding import warn
    from agent_market.commands.init import templates

    yield from examine_versions()
    found = installation.user_data(userdir)
    yield found
    if found.level == "fail":
        return
    yield installation.disk(userdir)
    for template in templates():
        if template.target.suffix == ".py":
            yield installation.template(template, userdir)
    if files:
        yield from examine_config(files, userdir)
    else:
        yield warn(
            "config",
            f"none given, and no {userdir / 'config.json'}",
            "name yours with -c: data, ports, model and database are checked by what it says",
        )


def examine_versions() -> Iterator[Finding]:
    """Python and packages."""
    import sys

    from agent_market.commands.checks import versions

    yield versions.python_version(sys.version_info[:2])
    yield versions.freqtrade_version()
    yield versions.conflicts("freqtrade")
    yield versions.conflicts("agent-market")
    yield versions.torch_version()
    for module in versions.NATIVE_PACKAGES:
        yield versions.importable(module)


def examine_config(files: list[Path], userdir: Path) -> Iterator[Finding]:
    """The config, and everything that it names."""
    from datetime import UTC, datetime

    from agent_market.commands.checks import candles, services, settings
    from agent_market.store.database import store_url

    config, found = settings.load_config(files, userdir)
    yield found
    if config is None:
        return
    yield settings.secrets_in_files(files)
    yield from (f for f in (settings.api_secrets(config), services.api_port(config)) if f is not None)
    yield from candles.candles(config, datetime.now(UTC))
    parsed, found = settings.settings(config)
    yield found
    if parsed is None:
        return
    yield settings.freqai_section(config, parsed)
    yield settings.model_prices(parsed)
    for series in parsed.perception.context:
        yield candles.context_series(series, userdir)
    if parsed.perception.news.files:
        yield candles.news_files(parsed.perception.news, userdir)
    url = store_url(parsed.store.url, userdir)
    stored = services.database(url)
    yield stored
    if stored.level == "ok" and (embedder := services.embedder(parsed.memory.text, url)) is not None:
        yield embedder
    yield from services.model_endpoint(parsed.llm)


def _print_json(findings: tuple[Finding, ...]) -> None:
    from dataclasses import asdict

    import orjson

    echo_json(orjson.dumps([asdict(f) for f in findings], option=orjson.OPT_INDENT_2))


def _print_table(findings: tuple[Finding, ...]) -> None:
    from rich.table import Table
    from rich.text import Text

    from agent_market.utils.console import Console

    styles = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for f in findings:
        lines = [f"{f.what}: {f.detail}", f"-> {f.advice}"] if f.advice else [f"{f.what}: {f.detail}"]
        table.add_row(Text(f.level, styles[f.level]), Text("\n".join(lines)))
    console = Console()
    console.print(table)
    counts = {level: sum(f.level == level for f in findings) for level in styles}
    console.print(
        f"\n{counts['ok']} ok, {counts['warn']} to look at, {counts['fail']} failed", highlight=False
    )
