"""The client against a scripted server on loopback that fails in every way an endpoint can."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from agent_market.config import LLMSettings
from agent_market.errors import ConfigError, ModelUnavailable
from agent_market.llm.endpoints import model_endpoint as line_module
from agent_market.llm.endpoints.client import ChatClient, Completion
from agent_market.llm.endpoints.endpoint import retry_after_s
from tests.helpers.agent_makers import llm, request
from tests.helpers.chat_server import Asked, Said, answer, chat_server, completion, refusal

KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, "BACKOFF_S", 0.01)


def ask(settings: LLMSettings, count: int = 1) -> list[Completion | ModelUnavailable]:
    client = ChatClient(settings)
    try:
        return client.complete_all([request(f"question {i}") for i in range(count)])
    finally:
        client.close()


def in_turn(*replies: Said) -> Callable[[Asked], Said]:
    """A script that gives `replies` one after another, then the last one for ever."""
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def test_an_answer_comes_back_with_its_usage() -> None:
    with chat_server() as server:
        client = ChatClient(llm(server.url))
        (got,) = client.complete_all([request()])
        client.close()
    assert isinstance(got, Completion)
    assert (got.text, got.cut_off, got.prompt_tokens, got.completion_tokens) == (answer(), False, 900, 80)
    assert 0 < got.latency_s < 5
    usage = client.usage
    assert (usage.requests, usage.answers, usage.prompt_tokens, usage.completion_tokens) == (1, 1, 900, 80)


def test_what_is_sent_is_the_addressed_body() -> None:
    with chat_server() as server:
        ask(llm(server.url, seed=11, temperature=0.3))
    assert server.requests[0].body == request("question 0").payload()


def test_requests_are_under_way_together_up_to_the_limit() -> None:
    slow = completion()
    slow.delay_s = 0.3
    with chat_server(lambda _: slow) as server:
        started = time.monotonic()
        got = ask(llm(server.url, max_in_flight=3), count=6)
        took = time.monotonic() - started
    assert all(isinstance(reply, Completion) for reply in got)
    assert server.most_at_once() == 3
    assert took < 6 * 0.3


def test_all_callers_together_keep_to_the_limit() -> None:
    slow = completion()
    slow.delay_s = 0.1
    with chat_server(lambda _: slow) as server:
        client = ChatClient(llm(server.url, max_in_flight=2))
        with ThreadPoolExecutor(4) as callers:
            list(
                callers.map(lambda i: client.complete_all([request(f"{i} {j}") for j in range(2)]), range(4))
            )
        client.close()
    assert len(server.requests) == 8
    assert server.most_at_once() == 2


@pytest.mark.parametrize(
    "failure",
    [Said(b"", drop=True), refusal(500, "oops"), refusal(503, "busy"), refusal(429, "slow down")],
    ids=["dropped connection", "500", "503", "429"],
)
def test_a_passing_failure_is_tried_again(failure: Said) -> None:
    with chat_server(in_turn(failure, failure, completion())) as server:
        (got,) = ask(llm(server.url, retries=2))
    assert isinstance(got, Completion)
    assert len(server.requests) == 3


def test_a_lasting_failure_gives_up_after_the_retries() -> None:
    with chat_server(lambda _: refusal(500, "broken")) as server:
        (got,) = ask(llm(server.url, retries=2))
    assert isinstance(got, ModelUnavailable)
    assert "HTTP 500" in str(got)
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [401, 403, 404, 409, 413])
def test_a_refusal_is_not_tried_again(status: int) -> None:
    with chat_server(lambda _: refusal(status, "no")) as server:
        (got,) = ask(llm(server.url))
    assert f"HTTP {status}" in str(got)
    assert len(server.requests) == 1


def test_retry_after_is_honoured() -> None:
    with chat_server(in_turn(refusal(429, "slow down", retry_after="0.4"), completion())) as server:
        (got,) = ask(llm(server.url))
    assert isinstance(got, Completion)
    first, second = server.requests
    assert second.came - first.left >= 0.4


def test_a_retry_after_beyond_the_timeout_is_not_waited_for() -> None:
    with chat_server(lambda _: refusal(429, "come back tomorrow", retry_after="86400")) as server:
        started = time.monotonic()
        (got,) = ask(llm(server.url))
    assert time.monotonic() - started < 2
    assert "come back tomorrow" in str(got)
    assert len(server.requests) == 1


def test_an_exhausted_account_is_not_asked_again() -> None:
    with chat_server(lambda _: refusal(429, "quota", code="insufficient_quota")) as server:
        ask(llm(server.url))
    assert len(server.requests) == 1


def test_retry_after_may_be_a_number_or_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after_s({"retry-after": "2.5"}) == 2.5
    assert retry_after_s({"retry-after": "-3"}) == 0.0
    assert retry_after_s({"retry-after": soon}) == pytest.approx(30, abs=2)
    assert retry_after_s({"retry-after": "soon"}) is None
    assert retry_after_s({"retry-after": "nan"}) is None
    assert retry_after_s({}) is None


def test_a_silent_endpoint_is_given_up_after_the_timeout() -> None:
    late = completion()
    late.delay_s = 2.0
    with chat_server(lambda _: late) as server:
        started = time.monotonic()
        (got,) = ask(llm(server.url, timeout_s=0.2, retries=1))
        took = time.monotonic() - started
    assert "no answer within 0.2 s" in str(got)
    assert len(server.requests) == 2
    assert took < 1.5


def test_an_answer_that_trickles_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each byte restarts httpx's read time-out, so only a deadline for the whole helps; here it is at once.
    monkeypatch.setattr(ChatClient, "_patience_s", lambda *_: 0.1)
    late = completion()
    late.delay_s = 0.5
    with chat_server(lambda _: late) as server:
        (got,) = ask(llm(server.url))
    assert "no complete answer" in str(got)


def test_an_endpoint_that_is_not_there_is_a_cause_and_no_exception() -> None:
    with chat_server() as server:
        url = server.url
    (got,) = ask(llm(url, retries=0))
    assert isinstance(got, ModelUnavailable)
    assert "no connection" in str(got)
    assert url in str(got)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>bad gateway</html>",
        completion().body[:-40],
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {"content": 5}}]}',
        b"\xff\xfe\x00",
    ],
)
def test_a_body_that_is_no_completion_is_a_cause(body: bytes) -> None:
    with chat_server(lambda _: Said(body)) as server:
        (got,) = ask(llm(server.url))
    assert isinstance(got, ModelUnavailable)
    assert "no chat completion" in str(got)


def test_a_completion_without_usage_counts_no_tokens() -> None:
    with chat_server(lambda _: Said(b'{"choices": [{"message": {"content": "hi"}}]}')) as server:
        (got,) = ask(llm(server.url))
    assert isinstance(got, Completion)
    assert (got.text, got.prompt_tokens, got.completion_tokens) == ("hi", 0, 0)


def test_a_refused_schema_falls_back_to_plain_json_mode_and_this_is_remembered() -> None:
    def no_schema(asked: Asked) -> Said:
        if asked.body["response_format"]["type"] == "json_schema":
            return refusal(400, "unknown variant `json_schema`")
        return completion()

    with chat_server(no_schema) as server:
        client = ChatClient(llm(server.url))
        got = client.complete_all([request("one")]) + client.complete_all([request("two")])
        client.close()
    assert all(isinstance(reply, Completion) for reply in got)
    kinds = [asked.body["response_format"]["type"] for asked in server.requests]
    assert kinds == ["json_schema", "json_object", "json_object"]


def test_a_refused_parameter_is_renamed_or_left_out() -> None:
    def like_a_reasoning_model(asked: Asked) -> Said:
        if "max_tokens" in asked.body:
            return refusal(400, "Unsupported parameter: use 'max_completion_tokens' instead", "max_tokens")
        if "temperature" in asked.body:
            return refusal(400, "Unsupported value: only the default (1) is supported", "temperature")
        return completion()

    with chat_server(like_a_reasoning_model) as server:
        client = ChatClient(llm(server.url, max_tokens=321))
        client.complete_all([request("one", settings=llm(max_tokens=321))])
        client.complete_all([request("two", settings=llm(max_tokens=321))])
        client.close()
    assert len(server.requests) == 4
    last = server.requests[-1].body
    assert last["max_completion_tokens"] == 321
    assert last["response_format"]["type"] == "json_schema"
    assert last["seed"] == 7


def test_a_request_that_is_refused_in_every_form_is_a_cause() -> None:
    with chat_server(lambda _: refusal(400, "context length exceeded")) as server:
        (got,) = ask(llm(server.url))
        (again,) = ask(llm(server.url))
    assert "context length exceeded" in str(got)
    assert str(again) == str(got)
    assert [asked.body["response_format"]["type"] for asked in server.requests[:2]] == [
        "json_schema",
        "json_object",
    ]


def test_the_key_goes_into_the_header_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AGENT_MARKET_LLM_API_KEY", f" {KEY}\n")
    with chat_server(lambda _: refusal(401, f"Incorrect API key provided: {KEY}")) as server:
        with caplog.at_level(logging.DEBUG):
            client = ChatClient(llm(server.url))
            (got,) = client.complete_all([request()])
        shown = [repr(client), str(client), str(got), repr(got), caplog.text]
        client.close()
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert not any(KEY in text for text in shown)


def test_what_an_endpoint_echoes_of_key_and_address_is_neither_told_nor_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AGENT_MARKET_LLM_API_KEY", KEY)
    echo = f"you sent {KEY} and pass-word-1 and query-key-2"
    for said, text in ((completion(echo), "text"), (refusal(401, echo), "args")):
        with chat_server(lambda _, said=said: said) as server:
            address = server.url.replace("://", "://me:pass-word-1@") + "?api_key=query-key-2"
            (got,) = ask(llm(address))
        assert "you sent *** and *** and ***" in str(getattr(got, text))
        assert not [s for s in (KEY, "pass-word-1", "query-key-2") if s in repr(got)]


def test_without_a_key_no_header_is_sent_and_openais_own_variable_is_not_touched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AGENT_MARKET_LLM_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with chat_server() as server:
        (got,) = ask(llm(server.url))
    assert isinstance(got, Completion)
    assert "authorization" not in server.requests[0].headers


def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AGENT_MARKET_LLM_API_KEY", "sk-\u201cquoted\u201d")
    with pytest.raises(ConfigError, match="AGENT_MARKET_LLM_API_KEY") as caught:
        ChatClient(llm())
    assert "quoted" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "localhost:11434", "ftp://host/v1", "http://", "http://[::1"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError, match="base_url"):
        ChatClient(llm(url))


def test_a_password_in_the_address_is_not_repeated() -> None:
    client = ChatClient(llm("http://me:hidden@127.0.0.1:9/v1?token=hidden", retries=0))
    (got,) = client.complete_all([request()])
    client.close()
    assert "hidden" not in f"{client!r} {got}"


def test_a_proxy_of_the_environment_is_not_used_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with chat_server() as server:
        (got,) = ask(llm(server.url))
    assert isinstance(got, Completion)


def test_closing_ends_waiting_requests() -> None:
    with (
        chat_server(lambda _: refusal(429, "wait", retry_after="4")) as server,
        ThreadPoolExecutor(1) as caller,
    ):
        client = ChatClient(llm(server.url, retries=5))
        waiting = caller.submit(client.complete_all, [request()])
        while not server.requests:
            time.sleep(0.01)
        time.sleep(0.1)
        started = time.monotonic()
        client.close()
        (got,) = waiting.result()
    assert isinstance(got, ModelUnavailable)
    assert time.monotonic() - started < 2


def test_openai_is_not_imported_before_the_first_request() -> None:
    code = (
        "import sys; from agent_market.agents import committee;"
        "from agent_market.llm.endpoints.client import ChatClient;"
        "from agent_market.config import LLMSettings; ChatClient(LLMSettings()).close();"
        "sys.exit('openai' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
