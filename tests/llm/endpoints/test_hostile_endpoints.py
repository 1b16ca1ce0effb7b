"""Whatever an endpoint sends, it ends in a view or in an abstention with a true cause, within bounds."""

from __future__ import annotations

import gzip
import json
import logging
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent_market.config import BudgetSettings, Caps, EndpointSettings, LLMSettings
from agent_market.errors import AgentMarketError, ModelUnavailable
from agent_market.llm.answers.request import Request, RequestForm
from agent_market.llm.answers.schemas import Answer
from agent_market.llm.answers.sources import open_answers
from agent_market.llm.decision_context import decision_context
from agent_market.llm.endpoints import model_endpoint as line_module
from agent_market.llm.endpoints import transport
from agent_market.llm.endpoints.client import ChatClient
from agent_market.llm.endpoints.completion import Completion
from agent_market.llm.usage.spend_guard import SpendGuard
from agent_market.store.database import Database
from agent_market.store.spend import spent
from tests.helpers.agent_makers import llm, request
from tests.helpers.chat_server import Asked, ChatServer, Said, chat_server, completion, refusal
from tests.helpers.hostile_endpoint import CAUSES, GOOD, TEXT, VIEWS, body_of, envelope, error_in_200, stream

QUESTION = "state of the market: " + " ".join(f'"feature_{n}": {n * 0.0137:.4f},' for n in range(120))


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, "BACKOFF_S", 0.01)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path}/store.sqlite")
    yield opened
    opened.close()


def numbered(reply: Callable[[Asked, int], Said]) -> Callable[[Asked], Said]:
    """A script that tells the reply which request it answers."""
    count = iter(range(1, 10**6))
    return lambda asked: reply(asked, next(count))


def ask(server: ChatServer, database: Database, *questions: Request, **changes: Any) -> list[Any]:
    source = open_answers(llm(server.url, timeout_s=changes.pop("timeout_s", 20.0), **changes), database)
    try:
        return source.ask(questions or [request(QUESTION)])
    finally:
        source.close()


def complete(settings: LLMSettings, *questions: Request) -> list[Completion | ModelUnavailable]:
    client = ChatClient(settings)
    try:
        return client.complete_all(questions or [request()])
    finally:
        client.close()


@pytest.mark.parametrize("name", VIEWS)
def test_a_good_view_is_taken_whatever_stands_beside_it(name: str, database: Database) -> None:
    with chat_server(numbered(VIEWS[name])) as server:
        (got,) = ask(server, database, reasoning_effort="low")
        (again,) = ask(server, database, mode="replay")
    assert isinstance(got, Answer), got
    assert (got.depth, got.confidence) == (GOOD["depth"], GOOD["confidence"])
    assert got.horizon in (12, None)
    assert got.invalidation in (-0.02, None)
    assert again == got
    assert spent(database).calls == 1


@pytest.mark.parametrize("name", CAUSES)
def test_what_is_no_answer_is_an_abstention_that_says_why(name: str, database: Database) -> None:
    reply, cause = CAUSES[name]
    with chat_server(numbered(reply)) as server:
        (got,) = ask(server, database, retries=0)
        (again,) = ask(server, database, mode="replay")
    assert isinstance(got, AgentMarketError), got
    assert cause in str(got)
    assert cause in str(again)


# --- prompts that the server cut -------------------------------------------------------------------------


def keeping(limit: int) -> Callable[[Asked], Said]:
    """A server with a context of `limit` tokens, which drops what does not fit and answers all the same."""

    def reply(asked: Asked) -> Said:
        count = sum(len(m["content"].encode()) for m in asked.body["messages"]) // 4
        usage = {"prompt_tokens": min(count, limit), "completion_tokens": 60}
        return envelope(usage=usage)(asked, 1)

    return reply


def long_question(size: int, start: int = 0) -> Request:
    """A prompt of `size` bytes, made of numbers as ours are."""
    text = " ".join(f'"feature_{n}": {n * 0.0137:.4f},' for n in range(start, start + size // 10))
    return RequestForm("aggressive", "You are an agent.", llm()).fill(text[: size - 17])


def test_an_answer_to_a_prompt_that_was_cut_is_an_abstention_and_told_once(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    sizes = (4_000, 7_900, 8_400, 9_000, 12_000, 40_000)
    with chat_server(keeping(2_048)) as server:
        got = ask(server, database, *map(long_question, sizes))
    assert [isinstance(reply, Answer) for reply in got] == [True, True, False, False, False, False]
    for reply in got[2:]:
        assert "cut the prompt: it counted 2,048 tokens" in str(reply)
        assert "OLLAMA_CONTEXT_LENGTH" in str(reply)
    assert caplog.text.count("cut the prompt") == 1


@pytest.mark.parametrize("limit", [600, 1_500, 3_000])
def test_a_context_of_an_odd_length_is_found_too(limit: int, database: Database) -> None:
    with chat_server(keeping(limit)) as server:
        far = [long_question(limit * factor, factor) for factor in (6, 8, 10)]
        near = [long_question(int(limit * 4 * factor)) for factor in (1.02, 1.08, 1.14)]
        got_far, got_near = ask(server, database, *far), ask(server, database, *near, max_in_flight=1)
    assert not any(isinstance(reply, Answer) for reply in got_far)
    assert "cut the prompt" in str(got_near[-1])


def test_prompts_that_fit_are_never_taken_for_cut(database: Database) -> None:
    with chat_server(keeping(10**6)) as server:
        got = ask(server, database, *(long_question(size) for size in range(1_000, 40_000, 3_777)))
    assert all(isinstance(reply, Answer) for reply in got)


# --- bounds while reading --------------------------------------------------------------------------------


def in_bytes(head: bytes, pieces: Callable[[], Iterator[bytes]]) -> Said:
    def raw() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n" + head
        yield from pieces()

    return Said(b"", raw=raw)


def for_ever(piece: bytes, gap_s: float = 0.0) -> Iterator[bytes]:
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        yield piece
        time.sleep(gap_s)


JSON = b"Content-Type: application/json\r\n"
STREAM = b"Content-Type: text/event-stream\r\n"
LARGE = b'{"choices": [{"message": {"content": "' + b"x" * 40_000_000 + b'"}}]}'
BOMB = gzip.compress(b" " * 100_000_000, 6)
ZLIB_BOMB = zlib.compress(b" " * 100_000_000, 6)

ENDLESS = {
    "large": in_bytes(JSON + b"Content-Length: %d\r\n\r\n" % len(LARGE), lambda: iter([LARGE])),
    "endless": in_bytes(JSON + b"\r\n", lambda: for_ever(b"[" * 65_536)),
    "gzip bomb": in_bytes(JSON + b"Content-Encoding: gzip\r\n\r\n", lambda: iter([BOMB])),
    "deflate bomb": in_bytes(JSON + b"Content-Encoding: deflate\r\n\r\n", lambda: iter([ZLIB_BOMB])),
    "large event": in_bytes(STREAM + b"\r\n", lambda: for_ever(b"data: " + b"x" * 65_536)),
    "endless answer": in_bytes(
        STREAM + b"\r\n",
        lambda: for_ever(b'data: {"choices": [{"delta": {"content": "' + b"x" * 60_000 + b'"}}]}\n\n'),
    ),
}
SLOW = {
    "dripping body": in_bytes(JSON + b"\r\n", lambda: for_ever(b" ", 0.05)),
    "dripping header": in_bytes(JSON + b"X: ", lambda: for_ever(b"x", 0.05)),
    "endless headers": in_bytes(b"", lambda: for_ever(b"X: y\r\n", 0.05)),
    "dripping stream": in_bytes(STREAM + b"\r\n", lambda: for_ever(b": ping\n\n", 0.05)),
    "silence after headers": in_bytes(JSON + b"Content-Length: 9\r\n\r\n", lambda: for_ever(b"", 0.1)),
    "continue for ever": Said(b"", raw=lambda: for_ever(b"HTTP/1.1 100 Continue\r\n\r\n", 0.05)),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_reply_beyond_every_measure_is_refused_and_takes_little_memory(name: str) -> None:
    with chat_server(lambda _: ENDLESS[name]) as server:
        tracemalloc.start()
        (got,) = complete(llm(server.url, timeout_s=60.0, retries=0))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert isinstance(got, ModelUnavailable)
    assert any(word in str(got) for word in ("larger than", "longer than"))
    # Server and client are one process, and `LARGE` was there before: what is counted is the reading.
    assert peak < 24 * 1024**2


def test_a_reply_that_fills_the_limit_to_the_byte_is_not_taken_for_a_whole_one() -> None:
    # How a network cuts a body is chance: a piece may end where the limit is.
    sink = transport._Sink(httpx.Headers(), None, is_error=False)
    for _ in range(transport.MAX_BODY // 65_536):
        assert not sink.feed(b"[" * 65_536)
    with pytest.raises(transport.ReplyTooLarge):
        sink.feed(b"[")


def test_a_large_error_is_read_no_further_than_its_beginning() -> None:
    body = b'{"error": {"message": "broken"}}' + b" " * 30_000_000
    with chat_server(lambda _: Said(body, 500)) as server:
        (got,) = complete(llm(server.url, retries=0))
    assert "HTTP 500: " in str(got)


@pytest.mark.parametrize("name", SLOW)
def test_a_reply_that_does_not_end_is_given_up_when_its_time_is_over(name: str) -> None:
    with chat_server(lambda _: SLOW[name]) as server:
        (got,) = complete(llm(server.url, timeout_s=0.5, retries=0))
    assert "no answer within 0.5 s" in str(got)


def test_dripping_answers_leave_the_pool_free_for_the_next_questions() -> None:
    drip = threading.Event()

    def reply(asked: Asked) -> Said:
        return completion() if drip.is_set() else SLOW["dripping body"]

    with chat_server(reply) as server:
        client = ChatClient(llm(server.url, timeout_s=1.0, retries=0, max_in_flight=4, breaker_failures=99))
        slow = client.complete_all([request(f"slow {n}") for n in range(8)])
        drip.set()
        good = client.complete_all([request(f"good {n}") for n in range(8)])
        client.close()
    assert all(isinstance(got, ModelUnavailable) for got in slow)
    assert all(isinstance(got, Completion) for got in good)


def test_a_server_that_holds_the_connection_after_the_last_event_is_not_waited_for() -> None:
    def raw() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n" + STREAM + b"\r\n"
        yield b'data: {"choices": [{"delta": {"content": "hi"}}]}\n\ndata: [DONE]\n\n'
        yield from for_ever(b"", 0.1)

    with chat_server(lambda _: Said(b"", raw=raw)) as server:
        (got,) = complete(llm(server.url, timeout_s=10.0, retries=0))
    assert isinstance(got, Completion)
    assert got.text == "hi"


# --- what is learned from refusals ---------------------------------------------------------------------


def forms(server: ChatServer) -> list[str]:
    return [asked.body.get("response_format", {}).get("type", "words") for asked in server.requests]


def test_one_passing_refusal_does_not_switch_the_schema_off() -> None:
    for failure in (
        refusal(400, "Failed to generate JSON", code="json_validate_failed"),
        refusal(400, "Bad request"),
    ):
        replies = [failure]

        def reply(_: Asked, replies: list[Said] = replies) -> Said:
            return replies.pop() if replies else completion()

        with chat_server(reply) as server:
            client = ChatClient(llm(server.url))
            for n in range(3):
                assert isinstance(client.complete_all([request(str(n))])[0], Completion)
            client.close()
        assert forms(server)[-2:] == ["json_schema", "json_schema"]


def test_an_unexplained_refusal_that_recurs_is_learned() -> None:
    def reply(asked: Asked) -> Said:
        return refusal(400, "Bad request") if "response_format" in asked.body else completion()

    with chat_server(reply) as server:
        client = ChatClient(llm(server.url))
        for n in range(5):
            assert isinstance(client.complete_all([request(str(n))])[0], Completion)
        client.close()
    assert forms(server) == ["json_schema", "json_object", "words"] * 3 + ["words"] * 2


def test_what_a_server_echoes_of_the_request_is_no_refusal_of_it() -> None:
    with chat_server(numbered(VIEWS["request echoed"])) as server:
        client = ChatClient(llm(server.url))
        client.complete_all([request()])
        client.close()
    last = server.requests[-1].body
    assert {"temperature", "seed", "max_tokens"} <= set(last)
    assert forms(server) == ["json_schema", "json_object"]


def test_a_wait_that_the_body_asks_for_is_kept() -> None:
    limited = error_in_200({"message": "slow down", "code": 429, "metadata": {"retry_after": 0.4}})
    replies = [limited]
    with chat_server(lambda _: replies.pop() if replies else completion()) as server:
        (got,) = complete(llm(server.url, timeout_s=10.0))
    assert isinstance(got, Completion)
    early, late = server.requests
    assert late.came - early.left >= 0.4


# --- addresses and additions -------------------------------------------------------------------------------


def paths_of(url: str) -> list[tuple[str, dict[str, str]]]:
    """Where a request to this base URL goes, and its headers."""
    seen: list[tuple[str, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body_of())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    (got,) = complete(llm(url.format(port=server.server_address[1]), timeout_s=20.0))
    thread.join()
    server.server_close()
    assert isinstance(got, Completion), got
    return seen


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("http://127.0.0.1:{port}/v1", "/v1/chat/completions"),
        ("http://127.0.0.1:{port}/v1/", "/v1/chat/completions"),
        ("http://127.0.0.1:{port}", "/chat/completions"),
        ("http://127.0.0.1:{port}/v1/chat/completions", "/v1/chat/completions"),
        (
            "http://127.0.0.1:{port}/openai/deployments/d1?api-version=2024-10-21",
            "/openai/deployments/d1/chat/completions?api-version=2024-10-21",
        ),
        ("http://127.0.0.1:{port}/v1?a=b%2Fc&d", "/v1/chat/completions?a=b%2Fc&d"),
    ],
)
def test_a_path_goes_before_the_query_of_the_base_url(base: str, path: str) -> None:
    ((found, _),) = paths_of(base)
    assert found == path


def test_azure_gets_its_key_under_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_MARKET_LLM_API_KEY", "azure-key-1")
    ((_, headers),) = paths_of("http://127.0.0.1:{port}/openai/deployments/d1?api-version=2024-10-21")
    assert headers["api-key"] == "azure-key-1"


def test_additions_of_an_endpoint_go_to_it_alone_and_are_part_of_the_address() -> None:
    with chat_server(lambda _: refusal(401, "no")) as first, chat_server() as second:
        settings = llm(
            first.url,
            extra_body={"enable_thinking": False, "chat_template_kwargs": {"a": 1}},
            reasoning_effort="low",
            fallbacks=(EndpointSettings(base_url=second.url, model="o", extra_body={"think": False}),),
        )
        plain, added = request(settings=llm()), request(settings=settings)
        complete(settings, added)
    assert plain.key != added.key
    assert request(settings=llm(extra_body={})).key == plain.key
    sent, fell_back = first.requests[0].body, second.requests[0].body
    assert (sent["enable_thinking"], sent["reasoning_effort"]) == (False, "low")
    assert fell_back["think"] is False
    assert not {"enable_thinking", "reasoning_effort", "chat_template_kwargs"} & set(fell_back)


@pytest.mark.parametrize("key", ["model", "messages", "max_tokens", "response_format", "reasoning_effort"])
def test_an_addition_that_has_a_setting_of_its_own_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=key):
        llm(extra_body={key: 1})


def test_a_redirect_takes_neither_prompt_nor_key_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_MARKET_LLM_API_KEY", "a-secret-key")
    with chat_server() as elsewhere:
        for status in (301, 302, 307, 308):
            moved = Said(b"", status, {"Location": f"{elsewhere.url}/chat/completions?x=1"})
            with chat_server(lambda _, moved=moved: moved) as server:
                (got,) = complete(llm(server.url))
                assert len(server.requests) == 1
            assert f"HTTP {status}: it sends requests on to http://127.0.0.1" in str(got)
    assert not elsewhere.requests


def test_plain_http_to_another_machine_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        ChatClient(llm("http://127.0.0.1:9/v1")).close()
        ChatClient(llm("https://api.example.com/v1")).close()
        assert not caplog.text
        ChatClient(llm("http://192.168.1.9:11434/v1")).close()
    assert caplog.text.count("over http:// on another machine") == 1


# --- money ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [10**7, 10**18, 10**19, 10**30, 10**300])
def test_an_absurd_count_is_booked_at_the_most_it_may_have_taken_and_ends_no_later_question(
    count: int, database: Database
) -> None:
    replies = [envelope(usage={"prompt_tokens": count, "completion_tokens": count})]

    def reply(asked: Asked) -> Said:
        return (replies.pop() if replies else envelope())(asked, 1)

    budget = BudgetSettings(day=Caps(calls=100, tokens=100_000, cost=1.0))
    with chat_server(reply) as server:
        for run in range(2):
            source = open_answers(llm(server.url), database, budget, f"run {run}")
            with decision_context("BTC/USDT@1", 60.0) as case:
                got = source.ask([request(f"{run} {n}") for n in range(3)])
            source.close()
            assert all(isinstance(reply, Answer) for reply in got), got
            assert case.usage.prompt_tokens < 100_000
    booked = spent(database, basis="bound")
    assert booked.calls == 1
    assert booked.prompt_tokens + booked.completion_tokens < 2_000


def test_the_reservations_are_made_in_the_order_of_the_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first answers are there, and what they did not use is free again, before the last is submitted.
    submit = ChatClient._submit

    def slow(self: ChatClient, *args: Any) -> Any:
        future = submit(self, *args)
        if not isinstance(future, ModelUnavailable):
            future.result()
        return future

    monkeypatch.setattr(ChatClient, "_submit", slow)
    bound = len(request("0").body) + 64 + 600
    budget = BudgetSettings(decision=Caps(calls=99, tokens=5 * bound + 9, cost=1.0))
    with chat_server(lambda _: refusal(413, "no")) as server:
        client = ChatClient(llm(server.url), SpendGuard.of(budget))
        got = client.complete_all([request(str(n)) for n in range(9)])
        client.close()
    assert ["decision's cap" in str(reply) for reply in got] == [False] * 5 + [True] * 4


def test_limits_fit_what_models_say() -> None:
    assert transport.MAX_BODY > 200_000
    with chat_server(lambda _: stream(json.loads(body_of("x" * 60_000)))(_, 1)) as server:
        (got,) = complete(llm(server.url))
    assert isinstance(got, Completion)
    assert len(got.text) == 60_000
    assert TEXT
