"""What a call costs: prices of the config, in whole billionths of their currency, so that sums are exact."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from urllib.parse import urlsplit

from agent_market.config import BudgetSettings, ModelPrice
from agent_market.errors import ConfigError

NANO = 10**9
_MILLION = 10**6


@dataclass(frozen=True, slots=True)
class Price:
    """`prompt` and `completion` tokens cost so many billionths of the currency per `per` tokens, exactly."""

    prompt: int
    completion: int
    per: int = 1

    @classmethod
    def of(cls, row: ModelPrice) -> Price:
        """The price of a row of the table, as it is written there: 0.1 is one tenth."""
        prompt, completion = (
            Fraction(str(price)) * NANO / _MILLION
            for price in (row.input_per_million, row.output_per_million)
        )
        per = lcm(prompt.denominator, completion.denominator)
        return cls(int(prompt * per), int(completion * per), per)

    def nano(self, prompt_tokens: int, completion_tokens: int) -> int:
        """Cost in billionths of the currency, rounded up."""
        return -(-(self.prompt * prompt_tokens + self.completion * completion_tokens) // self.per)


FREE = Price(0, 0)


class PriceTable:
    """The prices of a config, by model name. Thread-safe: it does not change."""

    def __init__(self, budget: BudgetSettings) -> None:
        self._rows = {row.model: Price.of(row) for row in budget.prices}

    def of(self, model: str, base_url: str) -> Price:
        """The price of `model` at the endpoint `base_url`.

        :raises ConfigError: it has none, and the endpoint is on another machine: its bill would be unknown.
        """
        if model in self._rows:
            return self._rows[model]
        if on_loopback(base_url):
            return FREE
        raise ConfigError(
            f"model {model!r} is asked at {urlsplit(base_url).hostname} and has no price, so no cap on money "
            f'could hold: add {{"model": "{model}", "input_per_million": ..., "output_per_million": ...}} to '
            "`agent_market.budget.prices` (0 and 0 if it is free)"
        )

    def recorded(self, model: str, is_local: bool) -> Price | None:
        """The price of an answer that is in the store already; None where it is not known.

        :param is_local: whether the config's endpoint for it is on this machine.
        """
        return self._rows.get(model) or (FREE if is_local else None)


def on_loopback(url: str) -> bool:
    """Whether the host of `url` is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
