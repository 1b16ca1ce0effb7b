"""Routes under `/api/v1/agents` in freqtrade's own API server, behind its authentication.

They must be there before that server is made: `GuardedStrategy` sees to it in a bot, and the command
`agent-market webserver` in freqtrade's webserver mode. See docs/reference/rest.md.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from typing import Any

from agent_market.bot.rest.credentials import ADVICE, weak_credentials

logger = logging.getLogger(__name__)


def install_in_bot(api: Mapping[str, Any]) -> None:
    """`install.install`, where a failure is logged and trading is left alone; a backtest never loads it.

    :param api: section `api_server`: behind empty or public credentials the routes are not served.
    """
    weak = weak_credentials(api)
    if weak:
        logger.critical("no routes under /api/v1/agents: %s; %s", "; ".join(weak), ADVICE)
        return
    try:
        importlib.import_module("agent_market.bot.rest.install").install()
    except Exception:
        logger.exception("the routes under /api/v1/agents are missing; the bot goes on without them")
