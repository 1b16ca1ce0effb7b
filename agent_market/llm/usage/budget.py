"""Caps on calls, tokens and money that hold also under parallel calls: reserve first, settle afterwards.

Before a call everything that it may cost is reserved from three caps at once: of the decision, of the wall
clock's day (UTC) and of the run.  If one of them could be passed, the call is not made.  Afterwards the
reservation is settled with what the endpoint counted, given back where nothing was billed, or kept whole
if the amount is unknown.  At every moment spent + reserved <= cap, so caps hold while no endpoint counts
more than the bound: one token a byte of the request (no byte-level tokenizer makes more) and
`llm.max_tokens` for the answer.  An endpoint that does is named in the log, and pays with later calls.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from agent_market.config import BudgetSettings, Caps
from agent_market.errors import BudgetExhausted, StoreError
from agent_market.llm.decision_context import DecisionContext
from agent_market.llm.usage.amounts import CommittedSpend, SpendAmount
from agent_market.llm.usage.pricing import NANO

logger = logging.getLogger(__name__)

DAY_S = 86_400
REFRESH_S = 60.0

NOTHING = SpendAmount()

Span = Literal["decision", "day", "run"]


@dataclass(frozen=True, slots=True)
class _Cap:
    span: Span
    caps: Caps
    tally: CommittedSpend
    others: SpendAmount = NOTHING

    @property
    def used(self) -> SpendAmount:
        """What this and other runs have taken out of it."""
        return self.tally.committed + self.others

    def shortages(self, wanted: SpendAmount) -> Iterator[str]:
        """What a further `wanted` would pass, in words."""
        used = self.used
        after = used + wanted
        if after.calls > self.caps.calls:
            yield self._words("calls", f"{used.calls:,} of {self.caps.calls:,} calls")
        if after.tokens > self.caps.tokens:
            spent = f"{used.tokens:,} of {self.caps.tokens:,} tokens"
            yield self._words("tokens", f"{spent}, and the next call may take {wanted.tokens:,}")
        if after.nano > nano_of(self.caps.cost):
            spent = f"{used.nano / NANO:.4f} of {self.caps.cost:g}"
            yield self._words("cost", f"{spent}, and the next call may cost {wanted.nano / NANO:.4f}")

    def left(self) -> float:
        """Share of the tightest cap that is neither spent nor reserved, 0 to 1."""
        used = self.used
        pairs = (
            (used.calls, self.caps.calls),
            (used.tokens, self.caps.tokens),
            (used.nano, nano_of(self.caps.cost)),
        )
        return min((max(0.0, 1.0 - spent / cap) if cap else float(spent == 0)) for spent, cap in pairs)

    def _words(self, key: str, state: str) -> str:
        return f"the {self.span}'s cap is reached: {state} (setting `agent_market.budget.{self.span}.{key}`)"


class Reservation:
    """What one call may cost at most, set aside. Ended exactly once: `settle`, `release` or `forfeit`."""

    __slots__ = ("_budget", "_tallies", "amount", "is_open")

    def __init__(self, budget: Budget, amount: SpendAmount, tallies: tuple[CommittedSpend, ...]) -> None:
        self._budget = budget
        self._tallies = tallies
        self.amount = amount
        self.is_open = True

    def settle(self, used: SpendAmount) -> None:
        """The endpoint counted `used`: that is spent, and the rest is free again."""
        self._budget._end(self, self._tallies, used)

    def release(self) -> None:
        """Nothing was billed."""
        self.settle(SpendAmount())

    def forfeit(self) -> None:
        """It may have been billed an unknown amount: count all of it as spent."""
        self.settle(self.amount)


class Budget:
    """The caps of a config and what they have been used for. Thread-safe."""

    def __init__(
        self,
        settings: BudgetSettings,
        clock: Callable[[], float] = time.time,
        others_on: Callable[[int], SpendAmount] = lambda day: SpendAmount(),
    ) -> None:
        """
        :param clock: epoch seconds.
        :param others_on: what *other* runs have spent on a day (days since the epoch), by the store; asked
            again every minute, so of a run beside this one at most a minute is unknown.
        """
        self.settings = settings
        self._clock = clock
        self._others_on = others_on
        self._lock = threading.Lock()
        self._run = CommittedSpend()
        self._day = -1
        self._today = CommittedSpend()
        self._others = SpendAmount()
        self._asked_at = -math.inf
        self._said: set[Span] = set()

    def reserve(self, case: DecisionContext, wanted: SpendAmount) -> Reservation:
        """Set `wanted` aside for one call of `case`.

        :raises BudgetExhausted: a cap could be passed; the message says which, and nothing was set aside.
        :raises StoreError: the store cannot say what was spent today before this run began.
        """
        with self._lock:
            caps = self._caps(case)
            for cap in caps:
                shortage = next(cap.shortages(wanted), None)
                if shortage is not None:
                    self._say(cap.span, shortage)
                    raise BudgetExhausted(shortage)
            tallies = tuple(cap.tally for cap in caps)
            for tally in tallies:
                tally.reserved += wanted
        return Reservation(self, wanted, tallies)

    @property
    def is_tight(self) -> bool:
        """Whether less than `budget.compact_below` of a day's or run's cap is left."""
        with self._lock:
            shares = [cap.left() for cap in self._caps(DecisionContext()) if cap.span != "decision"]
        return min(shares) < self.settings.compact_below

    @property
    def run(self) -> CommittedSpend:
        """A copy of what this run has spent and reserved."""
        with self._lock:
            return CommittedSpend(self._run.spent, self._run.reserved)

    def _caps(self, case: DecisionContext) -> tuple[_Cap, ...]:
        now = self._clock()
        day = int(now // DAY_S)
        if day != self._day:
            # Reservations of yesterday are settled on yesterday's tally, which they hold.
            self._today, self._others = CommittedSpend(), self._others_on(day)
            self._day, self._asked_at = day, now
            self._said.discard("day")
        elif now - self._asked_at >= REFRESH_S:
            self._refresh(now)
        settings = self.settings
        return (
            _Cap("decision", settings.decision, case.tally),
            _Cap("day", settings.day, self._today, self._others),
            _Cap("run", settings.run, self._run),
        )

    def _refresh(self, now: float) -> None:
        self._asked_at = now
        try:
            self._others = self._others_on(self._day)
        except StoreError as error:
            logger.warning("what other runs spent today is as of a minute ago: %s", error)

    def _say(self, span: Span, shortage: str) -> None:
        """Once a day or run; a decision's own cap stands in its abstentions."""
        if span != "decision" and span not in self._said:
            self._said.add(span)
            logger.warning("agents go on with their last views, then without language models: %s", shortage)

    def _end(self, reservation: Reservation, tallies: tuple[CommittedSpend, ...], used: SpendAmount) -> None:
        with self._lock:
            if not reservation.is_open:
                raise ValueError("a reservation is ended once")
            reservation.is_open = False
            for tally in tallies:
                tally.reserved -= reservation.amount
                tally.spent += used
        over = used - reservation.amount
        if max(over.calls, over.tokens, over.nano) > 0:
            logger.warning(
                "an endpoint counted %s tokens for a call that could take %s; its cap may be passed by that",
                f"{used.tokens:,}",
                f"{reservation.amount.tokens:,}",
            )


def nano_of(cost: float) -> int:
    """A cap in billionths of the currency, rounded down; 0.1 is one tenth, as it is written."""
    return int(Fraction(str(cost)) * NANO)
