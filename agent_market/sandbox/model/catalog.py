"""The models on offer, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

FINGERPRINT = "agent-market-heuristic-rules"
OWNER = "agent-market-sandbox (rules, no language model)"
EMBEDDER = "heuristic-embedding"

_RULES = "Documented rules over the numbers in the prompt. No language model."

CHAT_MODELS: Mapping[str, str] = MappingProxyType(
    {
        "heuristic": _RULES,
        "heuristic-fast": f"{_RULES} The same rules as `heuristic`, under a second name.",
        "heuristic-deep": f"{_RULES} The same rules as `heuristic`, under a third name.",
    }
)
EMBEDDING_MODELS: Mapping[str, str] = MappingProxyType(
    {EMBEDDER: "Hashed bag of words, unit length. No language model."}
)


def card(model: str) -> dict[str, Any] | None:
    """The entry of `/v1/models` for one model; None for one that is not on offer."""
    description = CHAT_MODELS.get(model) or EMBEDDING_MODELS.get(model)
    if description is None:
        return None
    return {"id": model, "object": "model", "created": 0, "owned_by": OWNER, "description": description}


def cards() -> list[dict[str, Any]]:
    """All entries of `/v1/models`."""
    return [entry for name in (*CHAT_MODELS, *EMBEDDING_MODELS) if (entry := card(name)) is not None]
