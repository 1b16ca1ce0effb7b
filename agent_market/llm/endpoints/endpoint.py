"""One HTTP conversation with an OpenAI-compatible endpoint: one attempt, and what its failures mean."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from agent_market.errors import ModelUnavailable
from agent_market.llm.endpoints.chat_reply import (
    ChatReply,
    ErrorBody,
    NoCompletion,
    read_error_body,
    read_reply,
)
from agent_market.llm.endpoints.events import ChatEvents
from agent_market.llm.endpoints.lenient_json import NotJson, loads
from agent_market.llm.endpoints.transport import (
    ConnectionFailed,
    HttpReply,
    TimedOut,
    Transport,
    TransportError,
)
from agent_market.llm.usage.pricing import on_loopback

HTTP_OK = 200
HTTP_REDIRECT = 300
HTTP_ERROR = 400
HTTP_SERVER_ERROR = 500
CHAT = "/chat/completions"

# The form of the request is refused.
_FORM = (400, 422)
# No key, no money, no right, no such address, no more requests: the next request would fare the same.
_UNHEALTHY = (401, 402, 403, 404, 429)
_PASSING = (408, 425, 429)
_FOR_GOOD = ("insufficient_quota", "billing_hard_limit_reached")
_PASSING_CODES = ("json_validate_failed", "failed_generation", "tool_use_failed")
_PASSING_WORDS = re.compile(
    r"failed_generation|failed to generate|(try|retry) again|please retry|temporar|overloaded", re.IGNORECASE
)


class Refused(Exception):
    """The endpoint answered with an error. `status` is the HTTP status, or the one its body names.

    `in_body` says that the HTTP status was 200.
    """

    def __init__(self, status: int, body: ErrorBody, retry_after_s: float | None, in_body: bool) -> None:
        super().__init__(body.message)
        self.status = status
        self.body = body
        self.retry_after_s = body.retry_after_s if retry_after_s is None else retry_after_s
        self.in_body = in_body

    @property
    def is_passing(self) -> bool:
        """Whether the same request may be taken a moment later."""
        if self.status in _FORM:
            return self.body.code in _PASSING_CODES or bool(_PASSING_WORDS.search(self.body.message))
        if self.body.code in _FOR_GOOD:
            # An exhausted account answers 429 too, for ever.
            return False
        return self.status in _PASSING or self.status >= HTTP_SERVER_ERROR


class Endpoint:
    """The connection to one endpoint. Thread-safe, without retries."""

    def __init__(self, base_url: str, timeout_s: float, secret: str) -> None:
        """:param secret: the API key; empty sends no `Authorization` header at all."""
        self._timeout_s = timeout_s
        self._parts = _base(base_url, keeps_user=not secret)
        self._headers = {"Content-Type": "application/json", "User-Agent": "agent-market"}
        if secret:
            self._headers["Authorization"] = f"Bearer {secret}"
            if "api-version=" in self._parts.query:
                self._headers["api-key"] = secret  # Azure's name for it
        # A proxy of the environment is for the world outside, not for a model on this machine.
        self._transport = Transport(trust_env=not on_loopback(base_url))

    def send(self, arguments: Mapping[str, Any], timeout_s: float) -> ChatReply:
        """One attempt, of at most `timeout_s` seconds from connecting to the last byte.

        :raises Exception: any for which `cause_of` has words.
        """
        events = ChatEvents()
        body = json.dumps(arguments, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
        url = self._url(CHAT)
        reply = self._transport.request("POST", url, self._headers, body, timeout_s, events)
        self._refuse_other_than_ok(reply)
        if not reply.is_streamed and reply.body.lstrip().startswith((b"data:", b"event:", b":")):
            events.feed(reply.body)  # a stream under another name
            reply = HttpReply(reply.status, reply.headers, b"", is_streamed=True)
        got = read_reply(_document(reply, events))
        if isinstance(got, ErrorBody):
            # Without a status of its own it is a refusal that no other wording would change.
            raise Refused(got.status or 409, got, retry_after_s(reply.headers), in_body=True)
        return got

    def models(self) -> tuple[str, ...]:
        """Names of the models that the endpoint lists, sorted.

        :raises Exception: any for which `cause_of` has words.
        """
        reply = self._transport.request("GET", self._url("/models"), self._headers, None, self._timeout_s)
        self._refuse_other_than_ok(reply)
        try:
            document = loads(reply.body)
        except NotJson as error:
            raise NoCompletion(f"the list of models cannot be read: {error}") from error
        rows = document.get("data", document.get("models")) if isinstance(document, dict) else document
        names = [
            row
            if isinstance(row, str)
            else row.get("id") or row.get("name")
            if isinstance(row, dict)
            else None
            for row in (rows if isinstance(rows, list) else ())
        ]
        return tuple(sorted(name for name in names if isinstance(name, str)))

    def close(self) -> None:
        """Close the connections; what is under way fails."""
        self._transport.close()

    def refusal_of(self, error: Exception) -> tuple[str | None, str] | None:
        """Parameter (if named) and message, where the endpoint refused the form of the request for good."""
        if isinstance(error, Refused) and error.status in _FORM and not error.is_passing:
            return error.body.param, error.body.message
        return None

    def worth_retrying(self, error: BaseException) -> bool:
        """Time-outs, lost connections and passing refusals, unless they ask to wait beyond the time-out."""
        if isinstance(error, Refused):
            return error.is_passing and (error.retry_after_s or 0.0) <= self._timeout_s
        return isinstance(error, TimedOut | ConnectionFailed)

    def is_unhealthy(self, error: Exception) -> bool:
        """Whether this failure speaks against the endpoint, not against the one request."""
        if isinstance(error, Refused):
            status = error.status
            return status in _UNHEALTHY or status >= HTTP_SERVER_ERROR or status < HTTP_ERROR
        return True

    def may_be_billed(self, error: Exception) -> bool:
        """Whether the endpoint may have done the work: it was reached, and how it ended is not known."""
        if isinstance(error, ConnectionFailed):
            return error.was_sent
        return not isinstance(error, Refused)

    def wanted_wait_s(self, error: BaseException | None) -> float | None:
        """Seconds that the endpoint asks to wait before the next attempt, if it does."""
        return error.retry_after_s if isinstance(error, Refused) else None

    def cause_of(self, error: Exception) -> str | None:
        """Why there is no answer, in one sentence; None for an error that is not a failed call."""
        if isinstance(error, Refused):
            at = f"HTTP {HTTP_OK} with error {error.status}" if error.in_body else f"HTTP {error.status}"
            return f"{at}: {error}"
        if isinstance(error, ConnectionFailed):
            return f"no connection: {error}"
        known = isinstance(error, TransportError | NoCompletion | ModelUnavailable)
        return str(error) if known else None

    def _url(self, path: str) -> str:
        """The address of a path under the base URL, whose query (Azure's `api-version`) stays behind it."""
        return urlunsplit(self._parts._replace(path=self._parts.path + path))

    def _refuse_other_than_ok(self, reply: HttpReply) -> None:
        if reply.status >= HTTP_ERROR:
            raise Refused(
                reply.status, read_error_body(reply.body), retry_after_s(reply.headers), in_body=False
            )
        if reply.status >= HTTP_REDIRECT:
            where = urlsplit(reply.headers.get("location", ""))
            raise Refused(
                reply.status,
                ErrorBody(
                    f"it sends requests on to {where.scheme}://{where.hostname}, and prompts go only where "
                    "the config says: set `base_url` to that address if you trust it"
                ),
                None,
                in_body=False,
            )


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
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if not math.isnan(seconds) else None


def _document(reply: HttpReply, events: ChatEvents) -> Any:
    if reply.is_streamed:
        events.finish()
        document = events.completion
        if document is None:
            raise NoCompletion("the reply is no chat completion: the stream held no answer")
        return document
    try:
        return loads(reply.body)
    except NotJson as error:
        raise NoCompletion(f"the reply is no chat completion: {error}") from error


def _base(url: str, keeps_user: bool) -> SplitResult:
    parts = urlsplit(url.strip())
    netloc = parts.netloc if keeps_user else parts.netloc.rpartition("@")[2]
    path = parts.path.rstrip("/").removesuffix(CHAT)
    return parts._replace(netloc=netloc, path=path, fragment="")
