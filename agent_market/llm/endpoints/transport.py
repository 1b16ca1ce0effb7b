"""HTTP with limits that hold while a reply is read: total time, size, and decompressed size.

A server on the other end of a chat endpoint is not trusted to end its headers, its body or its compression.
All requests of one transport run on an event loop in a thread of its own, because only there one deadline
covers connecting, waiting for headers and reading the body: the time-outs of a blocking client limit the gaps
between two bytes, and a server that sends a byte now and then would hold its caller for ever.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
import zlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

import httpx

CONNECT_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 5.0
HTTP_ERROR = 400

MAX_BODY = 2 * 1024**2
"""Most bytes of a reply, decompressed. The longest answer with its reasoning takes some 200 kB."""
MAX_ERROR_BODY = 64 * 1024
"""Of an error the beginning is kept."""
MAX_STREAM = 64 * 1024**2
"""Most bytes of an event stream, where each token comes in an envelope of some 300 bytes; it is not kept."""

_ZLIB_ANY = 32 + zlib.MAX_WBITS  # gzip or zlib, detected from the header
_ENCODINGS = ("gzip", "x-gzip", "deflate")


class TransportError(Exception):
    """A request without a whole reply. The message is the cause in words."""


class TimedOut(TransportError):
    """The time for the whole request is over."""


class ConnectionFailed(TransportError):
    """The connection could not be made, or broke. `was_sent` says whether the request may have arrived."""

    def __init__(self, cause: str, was_sent: bool) -> None:
        super().__init__(cause)
        self.was_sent = was_sent


class ReplyTooLarge(TransportError):
    """The reply passed a limit; reading stopped there and the connection was closed."""


class ReplyUnreadable(TransportError):
    """The reply is compressed in a way that was not asked for and is not understood."""


class Closed(TransportError):
    """The transport was closed while the request was under way."""


class Events(Protocol):
    """Takes an event stream piece by piece."""

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; True once the stream has said all, so that reading can stop.

        :raises ReplyTooLarge: what it has to keep is more than it may.
        """
        ...


@dataclass(frozen=True, slots=True)
class HttpReply:
    """Status, headers (names in lower case) and body; `is_streamed` says that `Events` took the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_streamed: bool = False


class Transport:
    """Thread-safe. The loop's thread starts with the first request and ends with `close`."""

    def __init__(self, trust_env: bool = True) -> None:
        """:param trust_env: whether the proxies of the environment are used."""
        self._trust_env = trust_env
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx.AsyncClient | None = None
        self._is_closed = False

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
        events: Events | None = None,
    ) -> HttpReply:
        """One request, never redirected.

        :param timeout_s: seconds for all of it, from connecting to the last byte.
        :param events: takes the body where the server sends an event stream.
        :raises TransportError: there is no whole reply; a status of 400 and above is a reply.
        """
        with self._lock:
            if self._is_closed:
                raise Closed("it was closed")
            loop = self._running_loop()
        work = self._exchange(method, url, dict(headers), body, timeout_s, events)
        try:
            return asyncio.run_coroutine_threadsafe(work, loop).result()
        except concurrent.futures.CancelledError:
            raise Closed("it was closed") from None

    def close(self) -> None:
        """End what is under way and close the connections; a second call does nothing."""
        with self._lock:
            self._is_closed = True
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(
                target=self._serve, args=(self._loop,), name="agent-market-http", daemon=True
            ).start()
        return self._loop

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.wait_for(self._end(tasks), CLOSE_TIMEOUT_S))
        except TimeoutError:
            pass  # a server that does not let go of its connection; the sockets go with the loop
        finally:
            loop.close()

    async def _end(self, tasks: set[asyncio.Task[Any]]) -> None:
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
        await asyncio.get_running_loop().shutdown_asyncgens()

    async def _exchange(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None,
        timeout_s: float,
        events: Events | None,
    ) -> HttpReply:
        if self._client is None:
            # Before the clock starts: reading the certificates of the system takes a while.
            self._client = httpx.AsyncClient(
                trust_env=self._trust_env,
                # A redirect would carry prompt and key to a host that the config does not name.
                follow_redirects=False,
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
            )
        try:
            async with asyncio.timeout(timeout_s):
                return await self._read(method, url, headers, body, timeout_s, events)
        except (TimeoutError, httpx.TimeoutException) as error:
            if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
                raise ConnectionFailed("it cannot be reached in time", was_sent=False) from error
            raise TimedOut(f"no answer within {timeout_s:g} s") from error
        except httpx.ConnectError as error:
            raise ConnectionFailed(f"{error.__cause__ or error}", was_sent=False) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ConnectionFailed(f"{error}" or type(error).__name__, was_sent=True) from error

    async def _read(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: bytes | None,
        timeout_s: float,
        events: Events | None,
    ) -> HttpReply:
        limits = httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s))
        asked = {"Accept-Encoding": "identity", **headers}
        client = self._client
        assert client is not None, "it is made before the clock starts"
        async with client.stream(method, url, content=body, headers=asked, timeout=limits) as response:
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            is_error = response.status_code >= HTTP_ERROR
            is_streamed = events is not None and kind == "text/event-stream" and not is_error
            sink = _Sink(response.headers, events if is_streamed else None, is_error)
            pieces = cast("AsyncGenerator[bytes, None]", response.aiter_raw())
            async with contextlib.aclosing(pieces):
                async for piece in pieces:
                    if sink.feed(piece):
                        break
            return HttpReply(response.status_code, dict(response.headers), bytes(sink.body), is_streamed)


class _Sink:
    """Takes the raw pieces of one body: decompresses, counts, and keeps or hands on."""

    def __init__(self, headers: httpx.Headers, events: Events | None, is_error: bool) -> None:
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity", *_ENCODINGS):
            raise ReplyUnreadable(
                f"the reply is compressed as {encoding[:40]!r}, which was not asked for and is not read"
            )
        self._decoder = zlib.decompressobj(_ZLIB_ANY) if encoding in _ENCODINGS else None
        self._is_first = True
        self._events = events
        self._limit = MAX_STREAM if events is not None else MAX_ERROR_BODY if is_error else MAX_BODY
        self._is_error = is_error
        self._count = 0
        self.body = bytearray()

    def feed(self, piece: bytes) -> bool:
        """Take the next piece; True when no more is wanted."""
        room = self._limit - self._count
        data = piece if self._decoder is None else self._decompressed(piece, room + 1)
        self._count += len(data)
        if self._count > self._limit and not self._is_error:
            raise ReplyTooLarge(f"the reply is larger than {self._limit / 1024**2:g} MiB; reading stopped")
        if self._events is not None:
            return self._events.feed(data)
        self.body += data[:room]
        return self._is_error and self._count >= self._limit

    def _decompressed(self, piece: bytes, most: int) -> bytes:
        assert self._decoder is not None
        try:
            data = self._decoder.decompress(piece, most)
        except zlib.error as error:
            if not self._is_first:
                raise ReplyUnreadable(f"the reply's compression is broken: {error}") from error
            # Some servers send deflate without the header of zlib.
            self._decoder = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                data = self._decoder.decompress(piece, most)
            except zlib.error:
                raise ReplyUnreadable(f"the reply's compression is broken: {error}") from error
        self._is_first = False
        return data
