"""Telling the sandbox's rules from a language model that somebody named like them.

The sandbox signs each reply (`system_fingerprint`). A name alone proves nothing: reports that say "no
language model took part" rest on the signature, so an answer under the rules' name without it is stored as
unsigned.
"""

from __future__ import annotations

SIGNATURE = "agent-market-heuristic-rules"
RULES = "heuristic"
UNSIGNED = " (unsigned)"


def stored_name(model: str, fingerprint: str) -> str:
    """The name of an answer's model in the store, marked where it claims to be the rules and is not."""
    claims = model == RULES or model.startswith(f"{RULES}-")
    return f"{model}{UNSIGNED}" if claims and fingerprint != SIGNATURE else model


def asked_name(stored: str) -> str:
    """The name that was asked for, which prices go by."""
    return stored.removesuffix(UNSIGNED)


def is_unsigned(stored: str) -> bool:
    """Whether an answer came under the rules' name from something else."""
    return stored.endswith(UNSIGNED)
