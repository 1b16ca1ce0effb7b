"""One endpoint as the client sees it: its model, its dialect, its retries, its breaker, and what it costs."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.nap import sleep_using_event

from agent_market.config import EndpointSettings, LLMSettings
from agent_market.errors import BudgetExhausted, ConfigError, ModelUnavailable
from agent_market.llm.answers.request import Request
from agent_market.llm.endpoints.breaker import CircuitBreaker
from agent_market.llm.endpoints.completion import Completion, RequestMeter
from agent_market.llm.endpoints.prompt_check import PromptCheck
from agent_market.llm.endpoints.request_compat import RequestCompat
from agent_market.llm.usage.pricing import on_loopback
from agent_market.llm.usage.spend_guard import Charge, EndpointPrice
from agent_market.utils.redaction import HIDDEN, secrets_in_url

if TYPE_CHECKING:
    from agent_market.llm.endpoints.chat_reply import ChatReply
    from agent_market.llm.endpoints.endpoint import Endpoint

logger = logging.getLogger(__name__)

BACKOFF_S = 0.25
MAX_CAUSE = 300
_SAME_MACHINE = ("host.docker.internal", "host.containers.internal")
CONFIRMATIONS = 3
"""So many unexplained refusals in a row, each cured by the same other wording, are a dialect."""


class ModelEndpoint:
    """One endpoint. Thread-safe. No connection is made before the first request."""

    def __init__(
        self, endpoint: EndpointSettings, llm: LLMSettings, closing: threading.Event, usage: RequestMeter
    ) -> None:
        """
        :param closing: set when the client is closed: waits between retries end.
        :raises ConfigError: `base_url` is not an HTTP address, or the API key cannot stand in a header.
        """
        self.model = endpoint.model
        address = _address(endpoint.base_url)
        self.where = f"{endpoint.model} at {address}"
        self.offer = EndpointPrice(endpoint.model, endpoint.base_url, address)
        self.breaker = CircuitBreaker(self.where, llm.breaker_failures, llm.breaker_open_s)
        self._settings = endpoint
        self._llm = llm
        self._secret = _secret(endpoint.api_key_env)
        self._hidden = tuple(filter(None, (self._secret, *secrets_in_url(endpoint.base_url))))
        self._closing = closing
        self._usage = usage
        self._lock = threading.Lock()
        self._endpoint: Endpoint | None = None
        self._dialect = RequestCompat()
        self._unexplained: tuple[RequestCompat, int] | None = None
        self._prompts = PromptCheck()
        self._has_warned_of_cuts = False
        _warn_of_plain_http(endpoint.base_url, self.where, bool(self._secret))

    def complete(
        self, request: Request, meter: Charge, deadline: float, is_forced: bool = False
    ) -> Completion | ModelUnavailable:
        """Ask, with retries, until `deadline` (of `time.monotonic`); the breaker has admitted the first try.

        :param is_forced: ignore the breaker's state, but report the result to it.
        """
        endpoint = self._connected()
        attempts = Retrying(
            stop=lambda state: _is_last(state, self._llm.retries, deadline),
            retry=retry_if_exception(endpoint.worth_retrying),
            wait=lambda state: self._wait_s(endpoint, state),
            sleep=sleep_using_event(self._closing),
            reraise=True,
        )
        is_first = True
        try:
            for attempt in attempts:
                with attempt:
                    if not (is_first or is_forced or self.breaker.admits()):
                        raise ModelUnavailable("it keeps failing and is left alone for a while")
                    is_first = False
                    return self._ask(endpoint, request, meter, deadline)
        except BudgetExhausted as error:
            return error
        except Exception as error:
            cause = "it was closed" if self._closing.is_set() else endpoint.cause_of(error)
            if cause is None:
                raise
            return ModelUnavailable(f"{self.where}: {self._redacted(cause)}")
        raise AssertionError("a retry loop ends with a result or an exception")

    def models(self) -> tuple[str, ...]:
        """Names of the models that the endpoint lists, sorted. One attempt.

        :raises ModelUnavailable: it does not answer, or refuses.
        """
        endpoint = self._connected()
        try:
            return endpoint.models()
        except Exception as error:
            cause = endpoint.cause_of(error)
            if cause is None:
                raise
            raise ModelUnavailable(f"{self.where}: {self._redacted(cause)}") from error

    def close(self) -> None:
        """Close the connections; what is under way fails."""
        if self._endpoint is not None:
            self._endpoint.close()

    def _ask(self, endpoint: Endpoint, request: Request, meter: Charge, deadline: float) -> Completion:
        """One attempt, which tells breaker and meter how it ended."""
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            self.breaker.withdraw()
            raise ModelUnavailable("no time is left for this decision")
        try:
            meter.reserve(self.offer)
        except BudgetExhausted:
            self.breaker.withdraw()
            raise
        try:
            reply, latency_s, wording = self._send(endpoint, request, left_s)
        except Exception as error:
            if endpoint.is_unhealthy(error):
                self.breaker.failed()
            else:
                self.breaker.succeeded()
            if endpoint.may_be_billed(error):
                meter.lost()
            raise
        self.breaker.succeeded()
        return replace(self._completion(request, reply, latency_s, meter), wording=wording)

    def _send(self, endpoint: Endpoint, request: Request, left_s: float) -> tuple[ChatReply, float, str]:
        """The reply, the seconds that it took, and the first dialect that the endpoint takes, in words."""
        payload = self._payload(request)
        dialect: RequestCompat = self._dialect
        is_named = True
        ends = time.monotonic() + left_s
        while True:
            self._usage.sent()
            started = time.perf_counter()
            try:
                reply = endpoint.send(
                    dialect.speak(payload), min(self._llm.timeout_s, max(0.01, ends - time.monotonic()))
                )
            except Exception as error:
                refusal = endpoint.refusal_of(error)
                other = dialect.after_refusal(*refusal) if refusal else None
                if other is None:
                    raise
                dialect, is_named = other.dialect, is_named and other.is_named
                continue
            self._remember(dialect, is_named)
            wording = str(dialect) if dialect != RequestCompat() else ""
            return reply, time.perf_counter() - started, wording

    def _payload(self, request: Request) -> dict[str, Any]:
        """What is sent to this endpoint: the request, with this endpoint's model and its own additions."""
        return {**request.common_payload(), **self._settings.additions(), "model": self.model}

    def _completion(self, request: Request, reply: ChatReply, latency_s: float, meter: Charge) -> Completion:
        counted = reply.usage
        text = request.form.system + request.user
        if counted is not None and not (
            meter.believes(counted.prompt, counted.completion)
            and self._prompts.believes(text, counted.prompt)
        ):
            logger.warning(
                "%s counted %s + %s tokens for a prompt of %s characters, which cannot be: the most that it "
                "may have taken is booked",
                self.where,
                f"{counted.prompt:,}",
                f"{counted.completion:,}",
                f"{len(text):,}",
            )
            counted = None
        tokens = (counted.prompt, counted.completion) if counted else (0, 0)
        if counted:
            meter.answered(*tokens)
        else:
            meter.lost()
        self._usage.answered(*tokens)
        return Completion(
            text=self._without_secrets(reply.text),
            cut_off=reply.is_cut_off,
            prompt_tokens=tokens[0],
            completion_tokens=tokens[1],
            latency_s=latency_s,
            model=self.model,
            problem=(self._cut_prompt(text, counted.prompt) if counted else None) or reply.problem,
            fingerprint=reply.fingerprint,
        )

    def _cut_prompt(self, text: str, counted: int) -> str | None:
        cut = self._prompts.cut(text, counted)
        if cut is None:
            return None
        with self._lock:
            is_news, self._has_warned_of_cuts = not self._has_warned_of_cuts, True
        if is_news:
            logger.error("%s: %s. Answers to cut prompts count as abstentions", self.where, cut)
        return str(cut)

    def _connected(self) -> Endpoint:
        with self._lock:
            if self._endpoint is None:
                # Here and not above: an HTTP client takes a while to import, and a warm store needs none.
                from agent_market.llm.endpoints.endpoint import Endpoint  # noqa: PLC0415

                self._endpoint = Endpoint(self._settings.base_url, self._llm.timeout_s, self._secret)
            return self._endpoint

    def _remember(self, dialect: RequestCompat, is_named: bool) -> None:
        """Speak like that from now on, if the endpoint said why, or has shown often enough that it must be.

        One unexplained refusal may have had any cause, and a schema that is given up is given up for the run.
        """
        with self._lock:
            if dialect == self._dialect:
                self._unexplained = None
                return
            if not is_named:
                held, count = self._unexplained or (dialect, 0)
                self._unexplained = (dialect, count + 1 if held == dialect else 1)
                if self._unexplained[1] < CONFIRMATIONS:
                    return
            self._dialect, self._unexplained = dialect, None
        logger.warning("%s takes requests only %s; asked so from now on", self.where, dialect)

    def _wait_s(self, endpoint: Endpoint, state: RetryCallState) -> float:
        wanted = endpoint.wanted_wait_s(state.outcome.exception() if state.outcome else None)
        backoff: float = BACKOFF_S * 2 ** (state.attempt_number - 1)
        return min(backoff if wanted is None else wanted, self._llm.timeout_s)

    def _redacted(self, text: str) -> str:
        return " ".join(self._without_secrets(text).split())[:MAX_CAUSE]

    def _without_secrets(self, text: str) -> str:
        """Some endpoints echo the headers or the address that they were asked with."""
        for secret in self._hidden:
            text = text.replace(secret, HIDDEN)
        return text


def _is_last(state: RetryCallState, retries: int, deadline: float) -> bool:
    """Whether no attempt follows: none is left, or the wait before it would end after the deadline."""
    return bool(stop_after_attempt(retries + 1)(state)) or (
        time.monotonic() + state.upcoming_sleep >= deadline
    )


def _address(url: str) -> str:
    """`url` for messages: without user, password and query."""
    problem = "needs the form http(s)://host:port/v1"
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"bad setting `agent_market.llm.base_url` ({error}): {problem}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"bad setting `agent_market.llm.base_url` = {url.rpartition('@')[2]!r}: {problem}")
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def _warn_of_plain_http(url: str, where: str, has_key: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme == "http" and not on_loopback(url) and parts.hostname not in _SAME_MACHINE:
        logger.warning(
            "%s is asked over http:// on another machine: whoever is on the way reads %s and can change the "
            "answers; use https:// or a tunnel",
            where,
            "the prompts and the API key" if has_key else "the prompts",
        )


def _secret(variable: str) -> str:
    secret = os.environ.get(variable, "").strip()
    if not (secret.isascii() and (secret.isprintable() or not secret)):
        raise ConfigError(
            f"the API key in the environment variable {variable} (setting `agent_market.llm.api_key_env`) "
            "holds characters that no HTTP header can carry; copy it anew"
        )
    return secret
