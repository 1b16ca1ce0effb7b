"""The board on which faults are set, asked by the servers at each request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, TypeVar

from agent_market.sandbox.faults.spec import (
    BadAnswer,
    Drop,
    Fault,
    FaultPlan,
    FeedFault,
    FlashCrash,
    Latency,
    MalformedJson,
    MissingCandles,
    PromptInjection,
    RateLimit,
    RequestFailure,
    RequestFault,
    SequenceGap,
    ServerError,
    StaleCandles,
    TruncatedJson,
)

R = TypeVar("R", bound=RequestFault)
State = Literal["waiting", "on", "over"]

_FAILURES = (RateLimit, ServerError, Drop, MalformedJson, TruncatedJson)


@dataclass(frozen=True, slots=True)
class MarketFaults:
    """What is wrong with the market now. All zero = nothing.

    `missing`: share of candles left out, in [0, 1]; `stale_s`: age of the newest data in seconds;
    `flash_crash`: fall as a share of price, in [0, 1); `since`: epoch seconds at which the flash crash
    (without one: the oldest other market fault) began.
    """

    missing: float = 0.0
    stale_s: float = 0.0
    flash_crash: float = 0.0
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """What one request suffers: a wait in seconds, then perhaps a failure."""

    latency_s: float = 0.0
    failure: RequestFailure | None = None


@dataclass(frozen=True, slots=True)
class StreamStrike:
    """What one message of a stream suffers: a wait in seconds, being left out, or the end of its socket."""

    latency_s: float = 0.0
    gap: bool = False
    drop: bool = False


@dataclass(slots=True)
class _Armed:
    fault: Fault
    starts: float
    draws: Random
    hits: int = field(default=0)

    def state(self, now: float) -> State:
        if now < self.starts:
            return "waiting"
        if self.fault.for_s is not None and now >= self.starts + self.fault.for_s:
            return "over"
        if isinstance(self.fault, RequestFault) and self.fault.count is not None:
            return "on" if self.hits < self.fault.count else "over"
        return "on"

    def strikes(self, path: str, now: float) -> bool:
        fault = self.fault
        if not isinstance(fault, RequestFault) or not path.startswith(fault.path) or self.state(now) != "on":
            return False
        if self.draws.random() >= fault.probability:
            return False
        self.hits += 1
        return True


class FaultRegistry:
    """Thread-safe set of faults, switchable while servers run.

    Every fault has its own generator, seeded from the plan's seed and the fault's place in the plan: its
    draws depend on the requests that match it and on nothing else. Schedules need no thread: whether a
    fault is on is worked out from the clock at each request.

    :param plan: faults set from the start.
    :param clock: epoch seconds; the sandbox's own clock where that is not the wall clock.
    """

    def __init__(self, plan: FaultPlan | None = None, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seed = 0
        self._armed: tuple[_Armed, ...] = ()
        if plan is not None:
            self.set(plan)

    def set(self, plan: FaultPlan | Iterable[Fault]) -> None:
        """Replace all faults; `at_s` counts from now, hit counts and draws start anew."""
        if not isinstance(plan, FaultPlan):
            plan = FaultPlan.model_validate(tuple(plan))
        with self._lock:
            self._seed, self._armed = plan.seed, ()
            self._arm(plan.faults)

    def add(self, *faults: Fault) -> None:
        """Set further faults beside those that are there."""
        with self._lock:
            self._arm(faults)

    def clear(self) -> None:
        """Take all faults away."""
        with self._lock:
            self._armed = ()

    def strike(self, path: str) -> ActiveFault | None:
        """What the request of `path` suffers, or None; draws and counts, so ask once a request."""
        if not self._armed:
            return None
        latency_s, failure = 0.0, None
        with self._lock:
            now = self._clock()
            for armed in self._armed:
                fault = armed.fault
                if isinstance(fault, Latency) and armed.strikes(path, now):
                    latency_s += fault.seconds + fault.jitter_s * armed.draws.random()
                elif isinstance(fault, _FAILURES) and failure is None and armed.strikes(path, now):
                    failure = fault
        return ActiveFault(latency_s, failure) if latency_s or failure else None

    def stream_strike(self, path: str) -> StreamStrike | None:
        """What a stream's message suffers, or None; draws and counts, so ask once a message."""
        if not self._armed:
            return None
        latency_s, gap, drop = 0.0, False, False
        with self._lock:
            now = self._clock()
            for armed in self._armed:
                fault = armed.fault
                if isinstance(fault, Latency) and armed.strikes(path, now):
                    latency_s += fault.seconds + fault.jitter_s * armed.draws.random()
                elif isinstance(fault, SequenceGap) and not gap:
                    gap = armed.strikes(path, now)
                elif isinstance(fault, Drop) and not drop:
                    drop = armed.strikes(path, now)
        return StreamStrike(latency_s, gap, drop) if latency_s or gap or drop else None

    def bad_answer(self, path: str) -> BadAnswer | None:
        """The first `bad_answer` that strikes this request; draws and counts, so ask once a request."""
        if not self._armed:
            return None
        with self._lock:
            now = self._clock()
            for armed in self._armed:
                if isinstance(armed.fault, BadAnswer) and armed.strikes(path, now):
                    return armed.fault
        return None

    def believed(self, path: str, body: bytes) -> PromptInjection | None:
        """The first `gullible` whose text this request holds; draws and counts, so ask once a request."""
        if not self._armed:
            return None
        with self._lock:
            now = self._clock()
            for armed in self._armed:
                fault = armed.fault
                if not isinstance(fault, PromptInjection) or fault.text.encode() not in body:
                    continue
                if armed.strikes(path, now):
                    return fault
        return None

    def feed_faults(self, path: str) -> tuple[FeedFault, ...]:
        """The feed faults that are on now for the feed at `path`."""
        if not self._armed:
            return ()
        with self._lock:
            now = self._clock()
            on = [armed.fault for armed in self._armed if armed.state(now) == "on"]
        return tuple(f for f in on if isinstance(f, FeedFault) and path.startswith(f.path))

    def market(self) -> MarketFaults:
        """The market faults that are on now; of two of one kind, the stronger."""
        if not self._armed:
            return MarketFaults()
        with self._lock:
            now = self._clock()
            on = [armed for armed in self._armed if armed.state(now) == "on"]
        missing = [a.fault.share for a in on if isinstance(a.fault, MissingCandles)]
        stale = [a.fault.seconds for a in on if isinstance(a.fault, StaleCandles)]
        crashes = [(a.fault.depth, a.starts) for a in on if isinstance(a.fault, FlashCrash)]
        others = [a.starts for a in on if isinstance(a.fault, MissingCandles | StaleCandles)]
        depth, since = max(crashes, default=(0.0, min(others, default=0.0)))
        return MarketFaults(max(missing, default=0.0), max(stale, default=0.0), depth, since)

    def report(self) -> dict[str, Any]:
        """Every fault with its state (`waiting`, `on`, `over`) and hits so far, and the seed; JSON-ready."""
        with self._lock:
            now = self._clock()
            rows = [
                {**a.fault.model_dump(), "state": a.state(now), "starts": a.starts, "hits": a.hits}
                for a in self._armed
            ]
            return {"seed": self._seed, "faults": rows}

    def _arm(self, faults: Iterable[Fault]) -> None:
        now = self._clock()
        armed = list(self._armed)
        for fault in faults:
            armed.append(_Armed(fault, now + fault.at_s, Random(f"{self._seed}/{len(armed)}")))
        self._armed = tuple(armed)
