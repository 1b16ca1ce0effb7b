"""Asking an OpenAI-compatible endpoint: time limits, retries, bounded parallelism, counted usage.

The API key is read from the environment variable that the settings name. It goes into the
`Authorization` header and nowhere else: it is kept out of logs, errors, the store and every repr.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.nap import sleep_using_event

from agent_market.agents.dialect import Dialect
from agent_market.agents.request import Request
from agent_market.config import LLMSettings
from agent_market.errors import ConfigError, ModelUnavailable

if TYPE_CHECKING:
    from agent_market.agents.endpoint import ChatReply, Endpoint

logger = logging.getLogger(__name__)

BACKOFF_S = 0.25
GRACE_S = 5.0
MAX_CAUSE = 300


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model said, whether the token limit cut it off, and what it cost in tokens and seconds."""

    text: str
    cut_off: bool
    prompt_tokens: int
    completion_tokens: int
    latency_s: float


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums since the client was made: HTTP requests sent (retries too), answers got, tokens counted."""

    requests: int = 0
    answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class ChatClient:
    """One endpoint. Thread-safe; at most `max_in_flight` requests are under way, all callers together."""

    def __init__(self, settings: LLMSettings) -> None:
        """No connection is made, and `openai` is not even imported, before the first request.

        :raises ConfigError: `base_url` is no HTTP address, or the API key cannot stand in a header.
        """
        self._settings = settings
        self._where = f"{settings.model} at {_address(settings.base_url)}"
        self._secret = _secret(settings.api_key_env)
        self._pool = ThreadPoolExecutor(settings.max_in_flight, thread_name_prefix="agent-market-llm")
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._endpoint: Endpoint | None = None
        self._dialect = Dialect()
        self._usage = Usage()

    def __repr__(self) -> str:
        return f"ChatClient({self._where})"

    @property
    def usage(self) -> Usage:
        return self._usage

    def complete_all(self, requests: Sequence[Request]) -> list[Completion | ModelUnavailable]:
        """Ask all requests at once; results in their order, a failure in the place of its answer."""
        futures = [self._pool.submit(self._complete, request) for request in requests]
        deadline = time.monotonic() + self._patience_s(len(requests))
        return [self._collect(future, deadline) for future in futures]

    def models(self) -> tuple[str, ...]:
        """Names of the models that the endpoint lists, sorted. One attempt: a person is waiting.

        :raises ModelUnavailable: it does not answer, or refuses.
        """
        endpoint = self._connected()
        try:
            return endpoint.models()
        except Exception as error:
            cause = endpoint.cause_of(error)
            if cause is None:
                raise
            raise ModelUnavailable(f"{self._where}: {self._redacted(cause)}") from error

    def close(self) -> None:
        """Give up what is under way and close the connections."""
        self._closing.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._endpoint is not None:
            self._endpoint.close()

    def _patience_s(self, count: int) -> float:
        """Longest that `count` requests can take: httpx limits the gaps in an answer, not its whole time."""
        attempts = self._settings.retries + 1
        waits = self._settings.retries
        rounds = math.ceil(count / self._settings.max_in_flight)
        return (attempts + waits) * self._settings.timeout_s * rounds + GRACE_S

    def _collect(
        self, future: Future[Completion | ModelUnavailable], deadline: float
    ) -> Completion | ModelUnavailable:
        try:
            return future.result(timeout=max(0.0, deadline - time.monotonic()))
        except FutureTimeout:
            future.cancel()
            return ModelUnavailable(
                f"{self._where}: no complete answer in the time that all retries may take"
            )
        except CancelledError:
            return ModelUnavailable(f"{self._where}: it was closed")

    def _complete(self, request: Request) -> Completion | ModelUnavailable:
        endpoint = self._connected()
        attempts = Retrying(
            stop=stop_after_attempt(self._settings.retries + 1),
            retry=retry_if_exception(endpoint.worth_retrying),
            wait=lambda state: self._wait_s(endpoint, state),
            sleep=sleep_using_event(self._closing),
            reraise=True,
        )
        try:
            return attempts(self._ask, endpoint, request)
        except Exception as error:
            cause = "it was closed" if self._closing.is_set() else endpoint.cause_of(error)
            if cause is None:
                raise
            return ModelUnavailable(f"{self._where}: {self._redacted(cause)}")

    def _ask(self, endpoint: Endpoint, request: Request) -> Completion:
        payload = request.payload()
        dialect: Dialect = self._dialect
        while True:
            self._count(requests=1)
            started = time.perf_counter()
            try:
                reply = endpoint.send(dialect.speak(payload))
            except Exception as error:
                refusal = endpoint.refusal_of(error)
                other = dialect.after_refusal(*refusal) if refusal else None
                if other is None:
                    raise
                dialect = other
                continue
            latency_s = time.perf_counter() - started
            self._remember(dialect)
            return self._completion(reply, latency_s)

    def _completion(self, reply: ChatReply, latency_s: float) -> Completion:
        used = reply.usage
        tokens = (used.prompt_tokens, used.completion_tokens) if used else (0, 0)
        self._count(answers=1, prompt_tokens=tokens[0], completion_tokens=tokens[1])
        choice = reply.choices[0]
        return Completion(
            text=choice.message.content or choice.message.refusal or "",
            cut_off=choice.finish_reason == "length",
            prompt_tokens=tokens[0],
            completion_tokens=tokens[1],
            latency_s=latency_s,
        )

    def _connected(self) -> Endpoint:
        with self._lock:
            if self._endpoint is None:
                # Here and not above: `openai` takes a second to import, and a warm store never needs it.
                from agent_market.agents.endpoint import Endpoint  # noqa: PLC0415

                self._endpoint = Endpoint(self._settings, self._secret)
            return self._endpoint

    def _remember(self, dialect: Dialect) -> None:
        with self._lock:
            news, self._dialect = dialect != self._dialect, dialect
        if news:
            logger.warning("%s takes requests only as %s; asked so from now on", self._where, dialect)

    def _count(
        self, requests: int = 0, answers: int = 0, prompt_tokens: int = 0, completion_tokens: int = 0
    ) -> None:
        with self._lock:
            old = self._usage
            self._usage = Usage(
                old.requests + requests,
                old.answers + answers,
                old.prompt_tokens + prompt_tokens,
                old.completion_tokens + completion_tokens,
            )

    def _wait_s(self, endpoint: Endpoint, state: RetryCallState) -> float:
        wanted = endpoint.wanted_wait_s(state.outcome.exception() if state.outcome else None)
        backoff: float = BACKOFF_S * 2 ** (state.attempt_number - 1)
        return min(backoff if wanted is None else wanted, self._settings.timeout_s)

    def _redacted(self, text: str) -> str:
        if self._secret:
            text = text.replace(self._secret, "***")
        return " ".join(text.split())[:MAX_CAUSE]


def _address(url: str) -> str:
    """`url` for messages: without user, password and query."""
    problem = "needs the form http(s)://host:port/v1"
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"bad setting `agent_market.llm.base_url` ({error}): {problem}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"bad setting `agent_market.llm.base_url` = {url!r}: {problem}")
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def _secret(variable: str) -> str:
    secret = os.environ.get(variable, "").strip()
    if not (secret.isascii() and (secret.isprintable() or not secret)):
        raise ConfigError(
            f"the API key in the environment variable {variable} (setting `agent_market.llm.api_key_env`) "
            "holds characters that no HTTP header can carry; copy it anew"
        )
    return secret
