"""`agent-market webserver`: freqtrade's webserver mode with the routes under /api/v1/agents."""

from __future__ import annotations

import typer

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}


def webserver(context: typer.Context) -> None:
    """Run `freqtrade webserver` with the routes under /api/v1/agents; every option is handed to freqtrade.

    For example: agent-market webserver --config config.json --userdir user_data
    """
    from freqtrade.main import main

    from agent_market.bot.rest.install import install

    install()
    main(["webserver", *context.args])
