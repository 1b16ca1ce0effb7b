"""The decision that is being made: what all calls made for it share.

`cycle.run_cycle` opens a case around the committee; budget, deadline and bill find it in a context
variable of the calling thread, so that no prompt, role or debate has to pass them on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from agent_market.llm.usage.amounts import CommittedSpend
from agent_market.llm.usage.pricing import NANO
from agent_market.records import Debate, Usage


@dataclass(slots=True)
class DecisionContext:
    """One decision while it is made. Thread-safe.

    `deadline` is a moment of `time.monotonic`; `is_patient` says that time costs nothing (a backtest): an
    endpoint whose breaker is open is asked all the same if no other is left.  `skipped` holds, by role, why
    an agent was not asked or has not answered yet: there its last view may stand in.
    """

    decision: str = ""
    deadline: float | None = None
    is_patient: bool = True
    tally: CommittedSpend = field(default_factory=CommittedSpend)
    skipped: dict[str, str] = field(default_factory=dict)
    debate: Debate | None = None
    _calls: int = 0
    _prompt_tokens: int = 0
    _completion_tokens: int = 0
    _nano: int | None = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def mark_skipped(self, role: str, cause: str) -> None:
        """Note that `role` was not asked, or has not answered yet."""
        with self._lock:
            self.skipped[role] = cause

    def charge(self, calls: int, prompt_tokens: int, completion_tokens: int, nano: int | None) -> None:
        """Put answers on the bill, whether they were paid for now or when they were recorded."""
        with self._lock:
            self._calls += calls
            self._prompt_tokens += prompt_tokens
            self._completion_tokens += completion_tokens
            self._nano = None if nano is None or self._nano is None else self._nano + nano

    def take_usage(self, other: DecisionContext) -> None:
        """Move another context's usage here and reset it there, so that nothing is counted twice."""
        with other._lock:
            taken = (other._calls, other._prompt_tokens, other._completion_tokens, other._nano)
            other._calls = other._prompt_tokens = other._completion_tokens = other._nano = 0
        self.charge(*taken)

    @property
    def usage(self) -> Usage:
        """What the answers to this decision cost when they were given."""
        with self._lock:
            cost = None if self._nano is None else self._nano / NANO
            return Usage(self._calls, self._prompt_tokens, self._completion_tokens, cost)


_current: ContextVar[DecisionContext | None] = ContextVar("agent_market_case", default=None)


@contextmanager
def decision_context(
    decision: str, deadline_s: float | None = None, is_patient: bool = True
) -> Iterator[DecisionContext]:
    """The case of one decision, for calls made by this thread within the block.

    :param deadline_s: seconds that all its calls may take together.
    """
    deadline = None if deadline_s is None else time.monotonic() + deadline_s
    case = DecisionContext(decision, deadline, is_patient)
    token = _current.set(case)
    try:
        yield case
    finally:
        _current.reset(token)


def current_context() -> DecisionContext:
    """The case that this thread works on; a nameless one without a deadline where there is none."""
    return _current.get() or DecisionContext()
