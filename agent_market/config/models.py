"""The models that are asked: endpoints, retries, prices, caps on spending, and asking off the candle loop."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from agent_market.config.base import Settings

OWN_KEYS = ("model", "messages", "temperature", "seed", "max_tokens", "response_format")
"""What each request says itself; `extra_body` must not say it again."""


class _Additions(Settings):
    """Parameters sent to one endpoint beside the prompt."""

    reasoning_effort: str | None = None
    """How long a reasoning model may think (`none`, `low`, `medium`, `high`), where the endpoint takes it."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Further fields of each request, e.g. `{"enable_thinking": false}` (Qwen3) or `{"think": false}`."""

    @field_validator("extra_body")
    @classmethod
    def _not_our_own(cls, value: dict[str, Any]) -> dict[str, Any]:
        twice = sorted(set(value) & {*OWN_KEYS, "reasoning_effort"})
        if twice:
            raise ValueError(f"{', '.join(twice)} has a setting of its own; take it out")
        return value

    def additions(self) -> dict[str, Any]:
        """Those fields as they go into the request; empty by default."""
        effort = {} if self.reasoning_effort is None else {"reasoning_effort": self.reasoning_effort}
        return {**effort, **self.extra_body}


class EndpointSettings(_Additions):
    """One more endpoint with the model that it serves."""

    base_url: str
    """Base URL of an OpenAI-compatible server."""
    model: str
    """Model name sent with each request."""
    api_key_env: str = "AGENT_MARKET_LLM_API_KEY"
    """Name of the environment variable that holds its API key; unset means no key is sent."""


class LLMSettings(_Additions):
    """The endpoint that the LLM agents ask, over the OpenAI protocol."""

    base_url: str = "http://127.0.0.1:11434/v1"
    """Base URL of any OpenAI-compatible server (OpenAI, DeepSeek, Ollama, vLLM, the sandbox)."""
    model: str = "heuristic"
    """Model name sent with each request. `heuristic` is the sandbox's rule set, no language model."""
    api_key_env: str = "AGENT_MARKET_LLM_API_KEY"
    """Name of the environment variable that holds the API key; unset means no key is sent."""
    mode: Literal["live", "record", "replay"] = "record"
    """`live` always asks; `record` asks only what the store does not hold; `replay` never asks, and fails."""
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    """Sampling temperature. 0 is the most repeatable that an endpoint offers."""
    seed: int = 7
    """Seed sent with each request, for endpoints that honour one."""
    max_tokens: int = Field(default=600, ge=32)
    """Upper limit of tokens in one answer."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Seconds to wait for one answer before the agent abstains."""
    retries: int = Field(default=2, ge=0, le=10)
    """How often a request is tried again after a timeout, a dropped connection, HTTP 429 or 5xx."""
    max_in_flight: int = Field(default=8, ge=1, le=256)
    """Most requests under way at once, over all endpoints."""
    deadline_s: float = Field(default=180.0, gt=0)
    """Seconds that all answers to one decision may take together, retries and fallbacks included."""
    deep: EndpointSettings | None = None
    """The stronger model, for agents of tier `deep` (the judge). Unset: they ask `model` like the others."""
    fallbacks: tuple[EndpointSettings, ...] = ()
    """Asked in this order when an endpoint gives no answer; the store names the model that answered."""
    breaker_failures: int = Field(default=5, ge=1)
    """An endpoint that fails so many times in a row is left alone for a while (circuit breaker)."""
    breaker_open_s: float = Field(default=30.0, gt=0)
    """Seconds until one request may try it again; backtests, which have time, ask it if no other is left."""

    def deep_tier(self) -> LLMSettings:
        """The same with the deep tier's model and its additions, for the requests of that tier."""
        if self.deep is None:
            return self
        own = {"reasoning_effort": self.deep.reasoning_effort, "extra_body": self.deep.extra_body}
        return self.model_copy(update={"model": self.deep.model, **own})


Tier = Literal["fast", "deep"]


class ModelPrice(Settings):
    """What one model costs and knows."""

    model: str
    """Model name, as sent with each request."""
    input_per_million: float = Field(ge=0, le=1_000_000, allow_inf_nan=False)
    """Price of a million prompt tokens, in `budget.currency`."""
    output_per_million: float = Field(ge=0, le=1_000_000, allow_inf_nan=False)
    """Price of a million answered tokens (reasoning counts), in `budget.currency`."""
    knowledge_cutoff: date | None = None
    """Last day that the model may have read about. Unset: unknown, and reports say so."""


class Caps(Settings):
    """The most that may be spent. There is no way to say "unlimited"; 0 means that no model is asked."""

    calls: int = Field(ge=0)
    """Requests that were billed or may have been."""
    tokens: int = Field(ge=0)
    """Prompt and answered tokens together."""
    cost: float = Field(ge=0, allow_inf_nan=False)
    """Money, in `budget.currency`."""


class BudgetSettings(Settings):
    """What asking models may cost. What a call may cost at most is reserved before it is made.

    Money is spent on the wall clock, also in a backtest: a day is a day of the wall clock (UTC), a run one
    start of a backtest or of the bot. Answers out of the store cost nothing.
    """

    prices: tuple[ModelPrice, ...] = ()
    """Prices by model. A model without one is free on this machine, and an error anywhere else."""
    currency: str = "USD"
    """Currency of the prices."""
    stake_per_unit: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Units of stake currency that one unit of `currency` costs; reports take model costs off the profit."""
    decision: Caps = Caps(calls=40, tokens=400_000, cost=1.0)
    """Caps of one decision of one pair."""
    day: Caps = Caps(calls=50_000, tokens=100_000_000, cost=20.0)
    """Caps of one UTC day of the wall clock, over all runs on the same store."""
    run: Caps = Caps(calls=100_000, tokens=200_000_000, cost=50.0)
    """Caps of one start of a backtest or of the bot."""
    compact_below: float = Field(default=0.2, ge=0, le=1)
    """With less than this share of a day's or run's cap left, debates are compact."""

    @model_validator(mode="after")
    def _one_price_a_model(self) -> BudgetSettings:
        names = [price.model for price in self.prices]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two prices for {', '.join(twice)}; keep one")
        return self


class LiveSettings(Settings):
    """Asking models in dry-run and live, where the candle loop does not wait for them."""

    wait_s: float = Field(default=0.0, ge=0, le=60)
    """Seconds a decision may wait for answers to its own question; 0 = it takes the newest views known."""
    workers: int = Field(default=2, ge=1, le=32)
    """Questions (one a pair) that are put to models at the same time."""
    queue: int = Field(default=64, ge=1)
    """Questions that may wait; a newer one replaces the same pair's older, beyond that the oldest goes."""
