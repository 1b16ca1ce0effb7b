"""How a command ends: an error raised on purpose is one line and exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Callable

from agent_market.errors import AgentMarketError

EXIT_ERROR = 2


def run_app(run: Callable[[], object]) -> None:
    """Run (a part of) the command line; an error raised on purpose ends it with one line and exit code 2."""
    try:
        run()
    except AgentMarketError as error:
        _print_error(error)
        sys.exit(EXIT_ERROR)


def _print_error(error: AgentMarketError) -> None:
    from rich.text import Text  # noqa: PLC0415 - rich loads slowly, and most commands never fail

    from agent_market.utils.console import Console  # noqa: PLC0415

    Console(stderr=True).print(Text(f"Error: {error}", style="red"), soft_wrap=True)
