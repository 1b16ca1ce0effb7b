"""Finding servers that cut prompts: compare their token count of the prompt with a lower bound.

A server whose context is shorter than a prompt may drop what does not fit and answer all the same; Ollama
does, at 2,048 or 4,096 tokens by default.  The only trace is `usage.prompt_tokens`.  Our own count is a bound
that holds for every tokenizer in use: byte-pair encoders never join two of the pieces counted here (words,
groups of three digits, runs of signs), and none of them takes more than four bytes of our JSON as one token.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass

BYTES_PER_TOKEN = 4
MARGIN = 0.9
SHORTEST_BYTES = 2_000
"""A shorter prompt fits into every context."""
SMALLEST_CONTEXT = 256
"""No server has a shorter context: a smaller count for a long prompt is invalid."""
STEP = 1_024
"""Contexts are set to multiples of it (or of it less one): a count that hits one exactly was cut there."""
PLATEAU = 3
"""So many prompts of clearly different length with the same, highest count were cut."""
SPREAD = 1.05

_PIECE = re.compile(r"[^\W\d_]+|\d{1,3}|[^\w\s]+|_+")


@dataclass(frozen=True, slots=True)
class CutPrompt:
    """How many tokens the server kept of how many at least, or as many as it said it kept."""

    kept: int
    at_least: int

    def __str__(self) -> str:
        return (
            f"the endpoint cut the prompt: it counted {self.kept:,} tokens of at least {self.at_least:,}. "
            "Raise its context length (Ollama: OLLAMA_CONTEXT_LENGTH=16384 in the server's environment, or "
            "`PARAMETER num_ctx 16384` in a Modelfile; llama.cpp: -c; LM Studio: context length)"
        )


def least_tokens(text: str) -> int:
    """A lower bound of the tokens of `text`, for any tokenizer."""
    size = len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN
    return int(MARGIN * min(sum(1 for _ in _PIECE.finditer(text)), size))


class PromptCheck:
    """Compares counts of one endpoint. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._most = 0
        self._sizes: list[int] = []
        self._cut_at: int | None = None

    def believes(self, text: str, counted: int) -> bool:
        """Whether `counted` can be the number of tokens of what was sent, cut or not."""
        return counted >= SMALLEST_CONTEXT or counted >= least_tokens(text)

    def cut(self, text: str, counted: int) -> CutPrompt | None:
        """What was cut of a prompt of which the server counted so many tokens; None for nothing."""
        size = len(text.encode("utf-8", "replace"))
        if size < SHORTEST_BYTES or not self.believes(text, counted):
            return None
        least = least_tokens(text)
        at_plateau = self._at_plateau(size, counted)
        likely = size / BYTES_PER_TOKEN
        at_step = counted >= STEP and (counted % STEP in (0, STEP - 1)) and likely >= MARGIN * counted
        if counted < least:
            return CutPrompt(counted, least)
        return CutPrompt(counted, counted) if at_plateau or at_step else None

    def _at_plateau(self, size: int, counted: int) -> bool:
        with self._lock:
            if counted > self._most:
                self._most, self._sizes, self._cut_at = counted, [], None
            if counted == self._most and self._cut_at is None:
                if all(max(size, other) > SPREAD * min(size, other) for other in self._sizes):
                    self._sizes.append(size)
                if len(self._sizes) >= PLATEAU:
                    self._cut_at = counted
            return counted == self._cut_at
