"""Who pays for a question: prices, the budget and the ledger, and the reservation of one question."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from agent_market.config import BudgetSettings
from agent_market.llm.answers.request import Request
from agent_market.llm.decision_context import DecisionContext
from agent_market.llm.usage.amounts import SpendAmount
from agent_market.llm.usage.budget import Budget, Reservation
from agent_market.llm.usage.pricing import PriceTable
from agent_market.llm.usage.spend_writer import SpendWriter
from agent_market.store.database import Database
from agent_market.store.spend import SpendRow

SLACK_TOKENS = 64
"""What a chat template adds around the messages, beyond the JSON that it replaces."""
HIDDEN_PROMPT_TOKENS = 16_384
HIDDEN_COMPLETION_TOKENS = 131_072
"""What an endpoint may add of its own (a system prompt, reasoning beside `max_tokens`) and count. A count
beyond that is none, and would take the caps of all runs with it."""


@dataclass(frozen=True, slots=True)
class SpendGuard:
    """Prices, caps, and where spending is written down (None: nowhere). Thread-safe."""

    prices: PriceTable
    budget: Budget
    ledger: SpendWriter | None = None

    @classmethod
    def of(cls, settings: BudgetSettings, database: Database | None = None, scope: str = "") -> SpendGuard:
        """A wallet for one start of a backtest or of the bot.

        :param database: the store that spending is written to.
        :param scope: what is run; with the time of the start it names the run in the table `spend`.
        """
        prices = PriceTable(settings)
        if database is None:
            return cls(prices, Budget(settings))
        ledger = SpendWriter(database, f"{scope[:128]} {datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}".strip())
        return cls(prices, Budget(settings, others_on=ledger.others_on), ledger)


@dataclass(frozen=True, slots=True)
class EndpointPrice:
    """Who could answer: a model at an endpoint."""

    model: str
    base_url: str
    shown_as: str


class Charge:
    """The money side of one question, over all its attempts and endpoints. Used by one thread at a time."""

    def __init__(self, wallet: SpendGuard, case: DecisionContext, request: Request) -> None:
        self._wallet = wallet
        self._case = case
        self._request = request
        self._prompt_bound = len(request.body) + SLACK_TOKENS
        self._completion_bound = int(request.payload()["max_tokens"])
        self._held: tuple[EndpointPrice, Reservation] | None = None

    def reserve(self, offer: EndpointPrice) -> None:
        """Set aside what one attempt at `offer` may cost, unless that is set aside already.

        :raises BudgetExhausted: a cap could be passed.
        """
        if self._held is not None and self._held[0] == offer:
            return
        self.close()
        price = self._wallet.prices.of(offer.model, offer.base_url)
        tokens = self._prompt_bound + self._completion_bound
        wanted = SpendAmount(1, tokens, price.nano(self._prompt_bound, self._completion_bound))
        self._held = (offer, self._wallet.budget.reserve(self._case, wanted))

    def believes(self, prompt_tokens: int, completion_tokens: int) -> bool:
        """Whether an endpoint can have taken so many tokens, by what was sent and could have come back."""
        return (
            prompt_tokens <= 2 * self._prompt_bound + HIDDEN_PROMPT_TOKENS
            and completion_tokens <= self._completion_bound + HIDDEN_COMPLETION_TOKENS
        )

    def answered(self, prompt_tokens: int, completion_tokens: int) -> None:
        """The endpoint counted these tokens."""
        self._end(prompt_tokens, completion_tokens, "usage")

    def lost(self) -> None:
        """The attempt may have been billed an unknown amount: book its upper bound."""
        self._end(self._prompt_bound, self._completion_bound, "bound")

    def close(self) -> None:
        """Give back what is set aside: nothing more was billed."""
        if self._held is not None:
            self._held[1].release()
            self._held = None

    def _end(self, prompt_tokens: int, completion_tokens: int, basis: Literal["usage", "bound"]) -> None:
        assert self._held is not None, "nothing is sent without a reservation"
        (offer, held), self._held = self._held, None
        nano = self._wallet.prices.of(offer.model, offer.base_url).nano(prompt_tokens, completion_tokens)
        held.settle(SpendAmount(1, prompt_tokens + completion_tokens, nano))
        if self._wallet.ledger is not None:
            self._wallet.ledger.note(
                SpendRow(
                    at=int(time.time()),
                    run=self._wallet.ledger.run,
                    decision=self._case.decision[:64],
                    role=self._request.role,
                    model=offer.model,
                    endpoint=offer.shown_as[:255],
                    key=self._request.key,
                    prompt_tokens=prompt_tokens,
                    completion_tokens=completion_tokens,
                    cost_nano=nano,
                    basis=basis,
                )
            )
