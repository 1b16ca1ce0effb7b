"""How often each path was asked for."""

from __future__ import annotations

import threading
from collections import Counter

from starlette.types import ASGIApp, Receive, Scope, Send


class RequestCounts:
    """Requests by path, thread-safe. `/admin` is not counted."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, path: str) -> None:
        with self._lock:
            self._counts[path] += 1

    def by_path(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)


class CountingMiddleware:
    """Adds each HTTP request to the counts, answered or not."""

    def __init__(self, app: ASGIApp, counts: RequestCounts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/admin"):
            self._counts.add(scope["path"])
        await self._app(scope, receive, send)
