"""Mode `confirm`: each entry waits for a human's yes, and silence is a no."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from agent_market.bot.steady_clock import steady_now

FORGOTTEN_AFTER = timedelta(days=7)

Answer = Literal["pending", "confirmed", "refused", "expired", "used"]
OPEN = ("pending", "confirmed")


@dataclass(frozen=True, slots=True)
class EntryProposal:
    """One entry that wants a yes. `stake` and `rate` are in stake currency, as the gate would allow them.

    `occasion` tells entries under one tag apart: an answer holds for its own.
    """

    number: int
    pair: str
    side: str
    tag: str
    stake: float
    rate: float
    leverage: float
    asked_at: datetime
    expires_at: datetime
    answer: Answer = "pending"
    answered_by: str = ""
    occasion: str = ""


class Confirmations:
    """Proposals by (pair, side, tag). Thread-safe; kept in memory only, so that a restart means no."""

    def __init__(self, patience: timedelta, clock: Callable[[], datetime] = steady_now) -> None:
        self._patience = patience
        self._clock = clock
        self._proposals: dict[tuple[str, str, str], EntryProposal] = {}
        self._count = 0
        self._lock = threading.Lock()

    def ask(
        self,
        pair: str,
        side: str,
        tag: str,
        stake: float,
        rate: float,
        leverage: float,
        occasion: str = "",
    ) -> tuple[EntryProposal, bool]:
        """The proposal for this entry, and whether it is new. Asking again changes nothing.

        One that is over (answered and used, or too old) is asked anew on another occasion only.
        """
        with self._lock:
            known = self._current((pair, side, tag))
            if known is not None and (known.occasion == occasion or known.answer in OPEN):
                return known, False
            self._count += 1
            now = self._clock()
            for old in [k for k, p in self._proposals.items() if now - p.expires_at > FORGOTTEN_AFTER]:
                del self._proposals[old]
            until = now + self._patience
            made = EntryProposal(
                self._count, pair, side, tag, stake, rate, leverage, now, until, occasion=occasion
            )
            self._proposals[(pair, side, tag)] = made
            return made, True

    def answer(self, number: int, yes: bool, by: str) -> EntryProposal | None:
        """A human's answer; None where the proposal is unknown, answered or too old."""
        with self._lock:
            for key in tuple(self._proposals):
                proposal = self._current(key)
                if proposal is not None and proposal.number == number and proposal.answer == "pending":
                    answered = replace(proposal, answer="confirmed" if yes else "refused", answered_by=by)
                    self._proposals[key] = answered
                    return answered
        return None

    def use(self, proposal: EntryProposal) -> float | None:
        """Spend a yes: the stake that was confirmed, once; None if it is no yes (any more)."""
        key = (proposal.pair, proposal.side, proposal.tag)
        with self._lock:
            current = self._current(key)
            if current is None or current.answer != "confirmed":
                return None
            self._proposals[key] = replace(current, answer="used")
            return current.stake

    def pending(self) -> tuple[EntryProposal, ...]:
        """What waits for an answer now, oldest first."""
        with self._lock:
            current = [self._current(key) for key in tuple(self._proposals)]
        waiting = [p for p in current if p is not None and p.answer == "pending"]
        return tuple(sorted(waiting, key=lambda proposal: proposal.number))

    def _current(self, key: tuple[str, str, str]) -> EntryProposal | None:
        proposal = self._proposals.get(key)
        if proposal is None or proposal.answer not in OPEN:
            return proposal
        if self._clock() >= proposal.expires_at:
            proposal = self._proposals[key] = replace(proposal, answer="expired")
        return proposal
