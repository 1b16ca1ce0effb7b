"""What was asked of the model server: counts that tests and budgets read."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True)
class Usage:
    """Answered calls and their tokens."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, prompt_tokens: int, completion_tokens: int) -> None:
        self.calls += 1
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens


class UsageMeter:
    """Thread-safe totals, per model and over all.

    `requests` counts every request for an answer or a vector that reached the server, also those that were
    refused or struck by a fault: 0 proves that no model was asked. `calls` counts those answered.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = 0
        self._models: dict[str, Usage] = {}

    def request(self) -> None:
        """A request arrived."""
        with self._lock:
            self._requests += 1

    def call(self, model: str, prompt_tokens: int, completion_tokens: int) -> None:
        """A request was answered."""
        with self._lock:
            self._models.setdefault(model, Usage()).add(prompt_tokens, completion_tokens)

    def reset(self) -> None:
        """Start again from zero."""
        with self._lock:
            self._requests = 0
            self._models.clear()

    def report(self) -> dict[str, Any]:
        """{"requests", "calls", "prompt_tokens", "completion_tokens", "total_tokens", "models": {...}}."""
        with self._lock:
            models = {name: _with_total(usage) for name, usage in sorted(self._models.items())}
            requests = self._requests
        keys = ("calls", "prompt_tokens", "completion_tokens", "total_tokens")
        totals = {key: sum(usage[key] for usage in models.values()) for key in keys}
        return {"requests": requests, **totals, "models": models}


def _with_total(usage: Usage) -> dict[str, int]:
    return {**asdict(usage), "total_tokens": usage.prompt_tokens + usage.completion_tokens}
