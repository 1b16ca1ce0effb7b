"""`agent-market webserver`: freqtrade's webserver mode with the routes under /api/v1/agents."""

from __future__ import annotations

import typer

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}


def webserver(context: typer.Context) -> None:
    """Run `freqtrade webserver` with the routes under /api/v1/agents; every option is handed to freqtrade.

    For example: agent-market webserver --config config.json --userdir user_data
    """
    from freqtrade.commands import Arguments
    from freqtrade.configuration import Configuration
    from freqtrade.enums import RunMode
    from freqtrade.main import main

    from agent_market.bot.rest.credentials import ADVICE, weak_credentials
    from agent_market.bot.rest.install import install
    from agent_market.errors import ConfigError
    from agent_market.utils.log_redaction import hide_in_logs

    arguments = Arguments(["webserver", *context.args]).get_parsed_arg()
    config = Configuration(arguments, RunMode.WEBSERVER).get_config()
    weak = weak_credentials(config.get("api_server", {}))
    if weak:
        raise ConfigError(f"insecure `api_server`: {'; '.join(weak)}; {ADVICE}")
    hide_in_logs(config)
    install()
    main(["webserver", *context.args])
