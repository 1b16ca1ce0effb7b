"""Promoted prompts, as a part of a backtest's identity: what was predicted with others is not reused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent_market.books import shelf_digests


def prompts_digest(config: Mapping[str, Any]) -> str:
    """Hash of the promotions that decisions of this backtest may use.

    Empty where there is none, so that a store without tuned prompts changes no identity; and for a live bot,
    whose models need not be retrained for a prompt.

    :raises StoreError: the store cannot be read.
    """
    return shelf_digests(config, ("prompts",))["prompts"]
