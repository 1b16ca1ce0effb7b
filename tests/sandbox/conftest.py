"""The sandbox's own fixtures."""

from __future__ import annotations

from agent_market.sandbox.pytest_plugin import (
    sandbox_board,
    sandbox_config,
    sandbox_exchange,
    sandbox_market,
    sandbox_model,
)

__all__ = ["sandbox_board", "sandbox_config", "sandbox_exchange", "sandbox_market", "sandbox_model"]
