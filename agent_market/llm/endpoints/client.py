"""Asking OpenAI-compatible endpoints: tiers, fallbacks, deadlines, bounded parallelism, counted usage.

A request names a model, and the model decides the route: its own endpoint first, then `llm.fallbacks`.
API keys are read from the environment variables that the settings name. They go into the `Authorization`
header and nowhere else: they are kept out of logs, errors, the store and every repr.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout

from agent_market.config import BudgetSettings, EndpointSettings, LLMSettings
from agent_market.errors import BudgetExhausted, ConfigError, ModelUnavailable
from agent_market.llm.answers.request import Request
from agent_market.llm.decision_context import DecisionContext, current_context
from agent_market.llm.endpoints.completion import Completion, RequestMeter, RequestTotals
from agent_market.llm.endpoints.model_endpoint import ModelEndpoint
from agent_market.llm.usage.spend_guard import Charge, SpendGuard

GRACE_S = 5.0

Outcome = Completion | ModelUnavailable


class ChatClient:
    """Thread-safe; at most `max_in_flight` requests are under way, all callers and endpoints together."""

    def __init__(self, settings: LLMSettings, wallet: SpendGuard | None = None) -> None:
        """No connection is made, and no HTTP library imported, before the first request.

        :param wallet: who pays; None has the default caps and keeps no books.
        :raises ConfigError: a `base_url` is not an HTTP address, or an API key cannot stand in a header.
        """
        self._settings = settings
        self._wallet = wallet or SpendGuard.of(BudgetSettings())
        self._closing = threading.Event()
        self._meter = RequestMeter()
        self._pool = ThreadPoolExecutor(settings.max_in_flight, thread_name_prefix="agent-market-llm")
        lines = [
            ModelEndpoint(endpoint, settings, self._closing, self._meter)
            for endpoint in endpoints_of(settings)
        ]
        self._lines = tuple(lines)
        self._routes = _routes(settings, self._lines)

    def __repr__(self) -> str:
        return f"ChatClient({', '.join(line.where for line in self._lines)})"

    @property
    def usage(self) -> RequestTotals:
        return self._meter.usage

    def complete_all(self, requests: Sequence[Request]) -> list[Outcome]:
        """Ask all requests at once; results in their order, a failure in the place of its answer.

        What they may cost is reserved here, one after the other in their order: near a cap the same ones are
        refused every time.  Within an `open_case` they share its deadline and its caps.
        """
        case = current_context()
        deadline = time.monotonic() + self._patience_s(len(requests))
        if case.deadline is not None:
            deadline = min(deadline, case.deadline)
        # All before any is sent: one that ends early frees what it did not use, and whether that came in time
        # for a later question would be for the scheduler to say.
        meters = self._reserved_in_order(requests, case)
        futures = [
            meter if isinstance(meter, BudgetExhausted) else self._submit(request, case, deadline, meter)
            for request, meter in zip(requests, meters, strict=True)
        ]
        return [
            future if isinstance(future, ModelUnavailable) else self._collect(future, deadline)
            for future in futures
        ]

    def models(self) -> tuple[str, ...]:
        """Names of the models that the first endpoint lists, sorted. One attempt: a person is waiting.

        :raises ModelUnavailable: it does not answer, or refuses.
        """
        return self._lines[0].models()

    def close(self) -> None:
        """Give up what is under way and close the connections."""
        self._closing.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for line in self._lines:
            line.close()

    def _reserved_in_order(
        self, requests: Sequence[Request], case: DecisionContext
    ) -> list[Charge | BudgetExhausted]:
        """For each request a meter that holds what its first attempt may cost, or the cap that forbids it."""
        held: list[Charge | BudgetExhausted] = []
        try:
            for request in requests:
                meter = Charge(self._wallet, case, request)
                try:
                    meter.reserve(self._routes[request.model][0].offer)
                except BudgetExhausted as error:
                    held.append(error)
                else:
                    held.append(meter)
        except BaseException:
            for meter_or_cap in held:
                if isinstance(meter_or_cap, Charge):
                    meter_or_cap.close()
            raise
        return held

    def _submit(
        self, request: Request, case: DecisionContext, deadline: float, meter: Charge
    ) -> Future[Outcome] | ModelUnavailable:
        route = self._routes[request.model]
        try:
            future = self._pool.submit(self._complete, request, route, meter, case, deadline)
        except RuntimeError:
            meter.close()
            return ModelUnavailable(f"{route[0].where}: it was closed")
        # A question that was cancelled before its turn never ran, so its reservation is released here.
        future.add_done_callback(lambda done: meter.close() if done.cancelled() else None)
        return future

    def _complete(
        self,
        request: Request,
        route: Sequence[ModelEndpoint],
        meter: Charge,
        case: DecisionContext,
        deadline: float,
    ) -> Outcome:
        """The answer of the first endpoint of the route that gives one."""
        try:
            causes = []
            for line in route:
                if not line.breaker.admits():
                    continue
                got = line.complete(request, meter, deadline)
                if isinstance(got, Completion | BudgetExhausted):
                    return got
                causes.append(str(got))
            if not causes and case.is_patient:
                # Every breaker is open. A backtest has time: to go on would rush through thousands of
                # decisions without an opinion.
                return route[0].complete(request, meter, deadline, is_forced=True)
            if not causes:
                causes = [f"{line.where}: it keeps failing and is left alone for a while" for line in route]
            return ModelUnavailable("; ".join(causes))
        finally:
            meter.close()

    def _patience_s(self, count: int) -> float:
        """Longest that `count` requests can take, by the time-outs of their attempts."""
        attempts = self._settings.retries + 1
        waits = self._settings.retries
        rounds = math.ceil(count / self._settings.max_in_flight)
        return (attempts + waits) * self._settings.timeout_s * rounds * len(self._lines) + GRACE_S

    def _collect(self, future: Future[Outcome], deadline: float) -> Outcome:
        try:
            return future.result(timeout=max(0.0, deadline - time.monotonic()))
        except FutureTimeout:
            future.cancel()
            return ModelUnavailable(
                f"{self._lines[0].where}: no complete answer in the time that all retries may take"
            )
        except CancelledError:
            return ModelUnavailable(f"{self._lines[0].where}: it was closed")


def endpoints_of(llm: LLMSettings) -> tuple[EndpointSettings, ...]:
    """Every endpoint of a config: the fast tier's, the deep tier's if it has its own, and the fallbacks."""
    fast = EndpointSettings(
        base_url=llm.base_url,
        model=llm.model,
        api_key_env=llm.api_key_env,
        reasoning_effort=llm.reasoning_effort,
        extra_body=llm.extra_body,
    )
    return (fast, *((llm.deep,) if llm.deep else ()), *llm.fallbacks)


def _routes(llm: LLMSettings, lines: Sequence[ModelEndpoint]) -> dict[str, tuple[ModelEndpoint, ...]]:
    """The endpoints that are asked for a model, in order."""
    if llm.deep is not None and llm.deep.model == llm.model and llm.deep.base_url != llm.base_url:
        raise ConfigError(
            f"`agent_market.llm.deep` has the same model {llm.model!r} as the fast tier, at another address: "
            "requests go by the model's name; leave `deep` out, or name another model"
        )
    first_fallback = 2 if llm.deep is not None else 1
    fallbacks = tuple(lines[first_fallback:])
    return {line.model: (line, *fallbacks) for line in reversed(lines[:first_fallback])}
