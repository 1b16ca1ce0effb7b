"""What an endpoint gave, and what has been asked of endpoints in all."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model said, whether the token limit cut it off, and what it cost in tokens and seconds.

    `model` is the one that answered: a fallback's name where the first one failed. `problem` says why the
    text is not an answer even if it parses (a cut prompt, an answer that the endpoint broke off); None where
    it may be read. `fingerprint` is what the server says of itself.
    """

    text: str
    cut_off: bool
    prompt_tokens: int
    completion_tokens: int
    latency_s: float
    model: str = ""
    problem: str | None = None
    fingerprint: str = ""
    wording: str = ""
    """How the endpoint had to be asked, where it takes no JSON schema or the like; empty by default."""


@dataclass(frozen=True, slots=True)
class RequestTotals:
    """Sums since the client was made: HTTP requests sent (retries too), answers got, tokens counted."""

    requests: int = 0
    answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class RequestMeter:
    """A `RequestTotals` that grows. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._usage = RequestTotals()

    @property
    def usage(self) -> RequestTotals:
        return self._usage

    def sent(self) -> None:
        """A request goes out."""
        with self._lock:
            self._usage = replace(self._usage, requests=self._usage.requests + 1)

    def answered(self, prompt_tokens: int, completion_tokens: int) -> None:
        """An answer came in."""
        with self._lock:
            old = self._usage
            self._usage = RequestTotals(
                old.requests,
                old.answers + 1,
                old.prompt_tokens + prompt_tokens,
                old.completion_tokens + completion_tokens,
            )
