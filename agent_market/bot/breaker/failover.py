"""Ordered sources of one thing: the first that answers in time is used, and the best is gone back to.

A source that hangs is as bad as one that fails, so each is asked on a thread of its own and waited for at
most `patience_s`.  Sources before the one in use are tried again beside it, without waiting for them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Switch:
    """Another source was gone over to: why, and how many seconds after the last answer of any source."""

    before: str
    after: str
    seconds: float
    cause: str


class _Line(Generic[T]):
    """One source and its request under way, if any."""

    def __init__(self, name: str, ask: Callable[[], T]) -> None:
        self.name = name
        self._ask = ask
        self.asked_at = float("-inf")
        self.answered_at = float("-inf")
        self.pending: Future[T] | None = None

    def begin(self, now: float) -> Future[T]:
        """The request under way, or a new one."""
        if self.pending is None:
            self.pending, self.asked_at = Future(), now
            name = f"asks {self.name}"
            threading.Thread(target=self._run, args=(self.pending,), name=name, daemon=True).start()
        return self.pending

    def _run(self, future: Future[T]) -> None:
        try:
            future.set_result(self._ask())
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is waited for
            future.set_exception(error)


class FailOver(Generic[T]):
    """Call it for one answer. One caller at a time; `using` and `silent_s` may be read from any thread."""

    def __init__(
        self,
        sources: Sequence[tuple[str, Callable[[], T]]],
        patience_s: float,
        retry_s: float,
        told: Callable[[Switch], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        :param sources: name and question of each, best first; a question raises where there is no answer.
        :param patience_s: seconds to wait for one answer.
        :param retry_s: seconds between two tries of a source that another stands in for.
        :param told: hears each switch, on the caller's thread.
        """
        self._lines = [_Line(name, ask) for name, ask in sources]
        self._patience_s = patience_s
        self._retry_s = retry_s
        self._told = told
        self._clock = clock
        self._current = 0
        self._started = clock()
        self._answered = self._started

    @property
    def using(self) -> str:
        """Name of the source that answered last (the first, before any did)."""
        return self._lines[self._current].name

    def silent_s(self, place: int = 0) -> float:
        """Seconds since the source at `place` last answered, or since the start."""
        return self._clock() - max(self._lines[place].answered_at, self._started)

    def __call__(self) -> T:
        """An answer of the best source that gives one.

        :raises Exception: what the source in use raised, where none answers (`TimeoutError`: in time).
        """
        better = self._better_again()
        if better is not None:
            place, answer = better
            self._use(place, "it answers again")
            return answer
        first: Exception | None = None
        for place in range(self._current, len(self._lines)):
            line = self._lines[place]
            try:
                answer = self._wait(line)
            except Exception as error:  # noqa: BLE001 - logged with the switch, or raised at the end
                first = first or error
                continue
            self._use(place, "" if first is None else repr(first))
            return answer
        assert first is not None
        raise first

    def _wait(self, line: _Line[T]) -> T:
        future = line.begin(self._clock())
        try:
            answer = future.result(self._patience_s)
        except TimeoutError:
            if not future.done():
                raise TimeoutError(f"{line.name} gave no answer in {self._patience_s:g} s") from None
            line.pending = None
            raise
        except Exception:
            line.pending = None
            raise
        line.pending, line.answered_at = None, self._clock()
        return answer

    def _better_again(self) -> tuple[int, T] | None:
        """The first source before the one in use that has answered since it was tried again."""
        for place in range(self._current):
            line, now = self._lines[place], self._clock()
            if line.pending is None:
                if now - line.asked_at >= self._retry_s:
                    line.begin(now)
            elif line.pending.done():
                future, line.pending = line.pending, None
                if future.exception() is None and now - line.asked_at <= self._patience_s + self._retry_s:
                    line.answered_at = now
                    return place, future.result()
        return None

    def _use(self, place: int, cause: str) -> None:
        now = self._clock()
        before, self._current = self._current, place
        since, self._answered = now - self._answered, now
        if before != place:
            switch = Switch(self._lines[before].name, self._lines[place].name, since, cause)
            logger.warning("%s instead of %s: %s", switch.after, switch.before, cause)
            self._told(switch)
