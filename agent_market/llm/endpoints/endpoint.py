"""One HTTP conversation with an OpenAI-compatible endpoint: one attempt, and what its failures mean.

The only module that imports `openai` (a second of start-up), so a warm replay store never pays for it.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import openai
from pydantic import BaseModel, Field, ValidationError

from agent_market.errors import ModelUnavailable
from agent_market.llm.usage.pricing import on_loopback

CONNECT_TIMEOUT_S = 10.0
HTTP_SERVER_ERROR = 500

# No key, no right, no such address, no more requests: the next request would fare the same.
_UNHEALTHY = (401, 403, 404, 429)
# httpx's names, which do not depend on which of its major versions openai brings.
_NEVER_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout"}


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _TokenUsage(BaseModel):
    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)


class ChatReply(BaseModel):
    """The part of a chat completion that is used. Checked here, for `openai` builds its objects from a
    malformed body without a complaint."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _TokenUsage | None = None


class Endpoint:
    """The connection to one endpoint. Thread-safe, without retries."""

    def __init__(self, base_url: str, timeout_s: float, secret: str) -> None:
        """:param secret: the API key; empty sends no `Authorization` header at all."""
        # One INFO line per request would drown the bot's own log. The name depends on openai's version.
        for transport_log in map(logging.getLogger, ("httpx", "httpx2")):
            if transport_log.level == logging.NOTSET:
                transport_log.setLevel(logging.WARNING)
        self._timeout_s = timeout_s
        # Per request: openai 3.52 does not accept a header omitted for the whole client as "no key".
        self._headers = {} if secret else {"Authorization": openai.Omit()}
        self._client = openai.OpenAI(
            base_url=base_url,
            # Never None: the library would then send OPENAI_API_KEY to whatever endpoint this is.
            api_key=secret or "unset",
            max_retries=0,
            timeout=_limits(timeout_s),
            # A proxy of the environment is for the world outside, not for a model on this machine.
            http_client=openai.DefaultHttpxClient(trust_env=not on_loopback(base_url)),
        )

    def send(self, arguments: Mapping[str, Any], timeout_s: float) -> ChatReply:
        """One attempt.

        :raises Exception: any for which `cause_of` has words.
        """
        create = self._client.chat.completions.with_raw_response.create
        reply = create(**arguments, extra_headers=self._headers, timeout=_limits(timeout_s))
        return _read(reply.http_response.content)

    def models(self) -> tuple[str, ...]:
        """Names of the models that the endpoint lists, sorted.

        :raises Exception: any for which `cause_of` has words.
        """
        return tuple(sorted(model.id for model in self._client.models.list(extra_headers=self._headers)))

    def close(self) -> None:
        """Close the connections; what is under way fails."""
        self._client.close()

    def refusal_of(self, error: Exception) -> tuple[str | None, str] | None:
        """Parameter (if named) and message, where the endpoint refused the form of the request."""
        if isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
            return error.param, error.message
        return None

    def worth_retrying(self, error: BaseException) -> bool:
        """Time-outs, lost connections, HTTP 5xx, and 429 unless it asks to wait longer than the time-out."""
        if isinstance(error, openai.RateLimitError):
            # An exhausted account answers 429 too, for ever; and an hour's wait is longer than any candle.
            return (
                error.code != "insufficient_quota" and (self.wanted_wait_s(error) or 0.0) <= self._timeout_s
            )
        return isinstance(error, openai.APIConnectionError | openai.InternalServerError)

    def is_unhealthy(self, error: Exception) -> bool:
        """Whether this failure speaks against the endpoint, not against the one request."""
        if isinstance(error, openai.APIStatusError):
            return error.status_code in _UNHEALTHY or error.status_code >= HTTP_SERVER_ERROR
        return True

    def may_be_billed(self, error: Exception) -> bool:
        """Whether the endpoint may have done the work: it was reached, and how it ended is not known."""
        if isinstance(error, openai.APIStatusError):
            return False
        causes = {type(cause).__name__ for cause in (error, error.__cause__) if cause is not None}
        return not causes & _NEVER_SENT

    def wanted_wait_s(self, error: BaseException | None) -> float | None:
        """Seconds that the endpoint asks to wait before the next attempt, if it does."""
        return retry_after_s(error.response.headers) if isinstance(error, openai.APIStatusError) else None

    def cause_of(self, error: Exception) -> str | None:
        """Why there is no answer, in one sentence; None for an error that is no failed call."""
        if isinstance(error, openai.APITimeoutError):
            return f"no answer within {self._timeout_s:g} s"
        if isinstance(error, openai.APIConnectionError):
            return f"no connection: {error.__cause__ or error}"
        if isinstance(error, openai.APIStatusError):
            message = error.message.removeprefix(f"Error code: {error.status_code} - ")
            return f"HTTP {error.status_code}: {message}"
        return str(error) if isinstance(error, openai.OpenAIError | ModelUnavailable) else None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds of a `Retry-After` header (a number or an HTTP date, RFC 9110 10.2.3); None without one."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if not math.isnan(seconds) else None


def _read(body: bytes) -> ChatReply:
    try:
        # Written anew, for a model that is cut off within an emoji leaves half of it, which is no UTF-8.
        clean = json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace")
        return ChatReply.model_validate_json(clean)
    except ValidationError as error:
        raise ModelUnavailable(f"the reply is no chat completion: {error.errors()[0]['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise ModelUnavailable(f"the reply is no chat completion: {error}") from error


def _limits(timeout_s: float) -> openai.Timeout:
    return openai.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s))
