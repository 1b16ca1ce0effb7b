"""The sandbox's token count: a quarter of the UTF-8 bytes, rounded up. No tokenizer is that simple."""

from __future__ import annotations

BYTES_PER_TOKEN = 4


def count_tokens(text: str) -> int:
    """Tokens of one text; 0 for the empty one. A prompt's count is the sum over its messages."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def cut_to_tokens(text: str, limit: int) -> str:
    """The longest beginning of `text` with at most `limit` tokens; never splits a character."""
    return text.encode()[: limit * BYTES_PER_TOKEN].decode(errors="ignore")
