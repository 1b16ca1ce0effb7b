"""The command `agent-market`.

Every module in `agent_market.commands` is one subcommand: the function of its name, or a group of several
where it has a typer `app`; `CONTEXT` there says how to parse it.
A folder there holds parts of one.  An `AgentMarketError` ends the process with
one red line on stderr and exit code 2; any other exception is a bug and shows its traceback.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from agent_market import __version__, commands
from agent_market.errors import AgentMarketError

EXIT_ERROR = 2

app = typer.Typer(
    help="LLM trading agents that remember and learn, inside freqtrade.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"agent-market {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    pass


def command_names() -> tuple[str, ...]:
    """Names of all subcommands, in alphabetical order; a module's underscores are dashes here."""
    return tuple(
        sorted(
            module.name.replace("_", "-")
            for module in pkgutil.iter_modules(commands.__path__)
            if not module.ispkg
        )
    )


for _name in command_names():
    _function = _name.replace("-", "_")
    _module = importlib.import_module(f"{commands.__name__}.{_function}")
    if isinstance(getattr(_module, "app", None), typer.Typer):
        app.add_typer(_module.app, name=_name)
    else:
        app.command(_name, context_settings=getattr(_module, "CONTEXT", None))(getattr(_module, _function))


def main() -> None:
    """Run the command line; the entry point of the console script."""
    run_app(app)


def run_app(run: Callable[[], object]) -> None:
    """Run (a part of) the command line; an error raised on purpose ends it with one line and exit code 2."""
    try:
        run()
    except AgentMarketError as error:
        _print_error(error)
        sys.exit(EXIT_ERROR)


def _print_error(error: AgentMarketError) -> None:
    from rich.text import Text

    from agent_market.terminal import Console

    Console(stderr=True).print(Text(f"Error: {error}", style="red"), soft_wrap=True)
