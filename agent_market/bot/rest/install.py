"""Joining freqtrade's API server."""

from __future__ import annotations

from agent_market.bot.freqtrade_internals import api as internals
from agent_market.bot.rest.control import router as control
from agent_market.bot.rest.decisions import router as reading
from agent_market.bot.rest.status import router as status
from agent_market.bot.rest.stream import router as stream
from agent_market.utils.log_redaction import hide_tokens_in_logs


def install() -> None:
    """Add routes and door to every API server that this process makes; a second call changes nothing."""
    internals.guard_server()
    internals.add_routes((status, reading, control), (stream,))
    hide_tokens_in_logs()
