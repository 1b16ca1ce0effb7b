"""Routes under `/api/v1/agents` in freqtrade's own API server, behind its authentication.

They must be there before that server is made: `GuardedStrategy` sees to it in a bot, and the command
`agent-market webserver` in freqtrade's webserver mode. See docs/reference/rest.md.
"""

from __future__ import annotations

import importlib
import logging

logger = logging.getLogger(__name__)


def install_in_bot() -> None:
    """`install.install`, where a failure is logged and trading is left alone; a backtest never loads it."""
    try:
        importlib.import_module("agent_market.bot.rest.install").install()
    except Exception:
        logger.exception("the routes under /api/v1/agents are missing; the bot goes on without them")
