"""Which endpoint is asked, how long, what it costs, and that the books agree with the endpoint's own."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_market.config import BudgetSettings, Caps, EndpointSettings, LLMSettings, ModelPrice
from agent_market.errors import BudgetExhausted, ConfigError, ModelUnavailable
from agent_market.llm.answers.request import Request, RequestForm
from agent_market.llm.answers.schemas import Answer
from agent_market.llm.answers.sources import open_answers
from agent_market.llm.decision_context import decision_context
from agent_market.llm.endpoints import model_endpoint as line_module
from agent_market.llm.endpoints.client import ChatClient
from agent_market.llm.endpoints.completion import Completion
from agent_market.llm.usage.spend_guard import SpendGuard
from agent_market.sandbox.faults import Drop, FaultRegistry, RateLimit
from agent_market.sandbox.model import create_model_app
from agent_market.sandbox.server import running
from agent_market.store.answers import AnswerStore
from agent_market.store.database import Database
from agent_market.store.spend import Spent, spent
from tests.helpers.agent_makers import llm, request
from tests.helpers.chat_server import Asked, Said, answer, chat_server, completion, refusal

PRICED = BudgetSettings(
    prices=(ModelPrice(model="heuristic", input_per_million=2.0, output_per_million=8.0),)
)
BLOCK = (
    'The state.\n```json\n{"schema":"agent-market/1","role":"aggressive","features":{"return_24":%s}}\n```'
)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, "BACKOFF_S", 0.01)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path}/store.sqlite")
    yield opened
    opened.close()


def other(url: str, model: str = "other") -> EndpointSettings:
    return EndpointSettings(base_url=url, model=model)


def asked_for(server: Any) -> list[str]:
    return [asked.body["model"] for asked in server.requests]


def complete(settings: LLMSettings, *questions: Request, wallet: SpendGuard | None = None) -> list[Any]:
    client = ChatClient(settings, wallet)
    try:
        return client.complete_all(questions or [request()])
    finally:
        client.close()


def budget(**caps: Caps) -> BudgetSettings:
    return BudgetSettings(prices=PRICED.prices, **caps)


# --- routes ---------------------------------------------------------------------------------------------


def test_a_fallback_answers_where_the_first_endpoint_fails_and_is_named() -> None:
    with chat_server(lambda _: refusal(500, "down")) as first, chat_server() as second:
        settings = llm(first.url, retries=1, fallbacks=(other(second.url),))
        (got,) = complete(settings)
    assert isinstance(got, Completion)
    assert got.model == "other"
    assert asked_for(first) == ["heuristic", "heuristic"]
    assert asked_for(second) == ["other"]


def test_what_a_fallback_said_is_kept_under_the_question_and_names_who_answered(database: Database) -> None:
    with chat_server(lambda _: refusal(500, "down")) as first, chat_server() as second:
        settings = llm(first.url, retries=0, fallbacks=(other(second.url),))
        source = open_answers(settings, database)
        source.ask([request()])
        source.close()
        again = open_answers(settings, database)
        (reply,) = again.ask([request()])
        again.close()
    assert isinstance(reply, Answer)
    assert len(second.requests) == 1
    row = AnswerStore(database).get(request().key)
    assert row is not None
    assert row.model == "other"


def test_when_all_fail_every_cause_is_told() -> None:
    with (
        chat_server(lambda _: refusal(500, "down")) as first,
        chat_server(lambda _: refusal(401, "no")) as second,
    ):
        (got,) = complete(llm(first.url, retries=0, fallbacks=(other(second.url),)))
    assert isinstance(got, ModelUnavailable)
    assert "HTTP 500" in str(got)
    assert "HTTP 401" in str(got)


def test_the_deep_tier_has_its_own_endpoint() -> None:
    with chat_server() as fast, chat_server() as deep:
        settings = llm(fast.url, deep=other(deep.url, "thinker"))
        thinking = llm(fast.url, model="thinker")
        got = complete(settings, request("a"), request("b", "judge", thinking))
    assert [c.model for c in got] == ["heuristic", "thinker"]
    assert asked_for(fast) == ["heuristic"]
    assert asked_for(deep) == ["thinker"]


def test_one_model_name_at_two_addresses_is_an_error_that_says_why() -> None:
    with pytest.raises(ConfigError, match="same model 'heuristic'"):
        ChatClient(llm(deep=other("http://127.0.0.1:8/v1", "heuristic")))


def test_an_endpoint_that_keeps_failing_is_left_alone_and_the_fallback_asked_at_once() -> None:
    with chat_server(lambda _: refusal(500, "down")) as first, chat_server() as second:
        settings = llm(first.url, retries=0, breaker_failures=3, fallbacks=(other(second.url),))
        client = ChatClient(settings)
        got = [client.complete_all([request(str(n))])[0] for n in range(10)]
        client.close()
    assert all(isinstance(c, Completion) for c in got)
    assert len(first.requests) == 3
    assert len(second.requests) == 10


def test_live_an_endpoint_that_is_down_costs_no_time_and_is_back_by_itself() -> None:
    up = [False]
    with chat_server(lambda _: completion() if up[0] else refusal(500, "down")) as server:
        client = ChatClient(llm(server.url, retries=0, breaker_failures=2, breaker_open_s=0.3))

        def ask(question: str) -> Any:
            with decision_context(question, 5.0, is_patient=False):
                return client.complete_all([request(question)])[0]

        for n in range(5):
            assert isinstance(ask(str(n)), ModelUnavailable)
        assert len(server.requests) == 2
        up[0] = True
        time.sleep(0.35)
        assert isinstance(ask("probe"), Completion)
        assert isinstance(ask("after"), Completion)
        client.close()


def test_a_backtest_has_time_and_asks_an_endpoint_that_keeps_failing() -> None:
    with chat_server(lambda _: refusal(500, "down")) as server:
        client = ChatClient(llm(server.url, retries=0, breaker_failures=2, breaker_open_s=60.0))
        for n in range(5):
            client.complete_all([request(str(n))])
        client.close()
    assert len(server.requests) == 5


def test_a_refused_request_does_not_speak_against_the_endpoint() -> None:
    with chat_server(lambda _: refusal(413, "too long")) as server:
        client = ChatClient(llm(server.url, retries=0, breaker_failures=1))
        with decision_context("x", 5.0, is_patient=False):
            for n in range(3):
                client.complete_all([request(str(n))])
        client.close()
    assert len(server.requests) == 3


def test_all_answers_to_a_decision_share_one_deadline() -> None:
    late = completion()
    late.delay_s = 1.0
    with chat_server(lambda _: late) as server:
        client = ChatClient(llm(server.url, timeout_s=5.0, retries=3, max_in_flight=1))
        started = time.monotonic()
        with decision_context("BTC/USDT@x", 1.6):
            first = client.complete_all([request("a")])
            second = client.complete_all([request("b"), request("c")])
        took = time.monotonic() - started
        client.close()
    assert isinstance(first[0], Completion)
    assert all(isinstance(got, ModelUnavailable) for got in second)
    assert took < 2.5


def test_a_wait_that_would_end_after_the_deadline_is_not_begun() -> None:
    with chat_server(lambda _: refusal(429, "slow down", retry_after="3")) as server:
        client = ChatClient(llm(server.url, retries=5))
        started = time.monotonic()
        with decision_context("x", 1.0):
            (got,) = client.complete_all([request()])
        client.close()
    assert "slow down" in str(got)
    assert time.monotonic() - started < 0.9


# --- money ----------------------------------------------------------------------------------------------


def usage_of(url: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{url}/admin/usage") as reply:
        return dict(json.load(reply))


def block(n: int) -> Request:
    return RequestForm("aggressive", "Answer in JSON.", llm()).fill(BLOCK % (n / 1000))


def test_the_spend_in_the_store_equals_the_sandboxs_own_count(database: Database) -> None:
    with running(create_model_app()) as url:
        source = open_answers(llm(f"{url}/v1"), database, PRICED, "a backtest")
        for start in range(0, 60, 6):
            with decision_context(f"BTC/USDT@{start}", 60.0):
                source.ask([block(n) for n in range(start, start + 6)])
        source.close()
        counted = usage_of(url)
    found = spent(database)
    assert (found.calls, found.prompt_tokens, found.completion_tokens) == (
        counted["calls"],
        counted["prompt_tokens"],
        counted["completion_tokens"],
    )
    assert found.cost_nano == 2_000 * found.prompt_tokens + 8_000 * found.completion_tokens
    assert spent(database, basis="bound") == Spent()


def test_under_faults_what_is_booked_is_never_less_than_what_was_billed(database: Database) -> None:
    board = FaultRegistry()
    board.set([Drop(probability=0.3), RateLimit(probability=0.3, retry_after_s=0)])
    with running(create_model_app(board)) as url:
        source = open_answers(llm(f"{url}/v1", retries=4, breaker_failures=100), database, PRICED)
        replies = source.ask([block(n) for n in range(60)])
        source.close()
        counted = usage_of(url)
    whole = spent(database)
    exact = spent(database, basis="usage")
    assert exact.calls == sum(isinstance(reply, Answer) for reply in replies)
    assert whole.calls == counted["calls"], "a refusal costs nothing, a lost answer is booked"
    assert whole.calls > exact.calls
    assert whole.prompt_tokens >= counted["prompt_tokens"]
    assert whole.completion_tokens >= counted["completion_tokens"]


def test_answers_of_the_store_cost_nothing_and_their_price_is_on_the_bill(database: Database) -> None:
    with chat_server() as server:
        settings = llm(server.url)
        bills = []
        for mode in ("record", "record", "replay"):
            source = open_answers(settings.model_copy(update={"mode": mode}), database, PRICED)
            with decision_context("BTC/USDT@1", 60.0) as case:
                source.ask([request("a"), request("b"), request("a")])
            bills.append(case.usage)
            source.close()
    assert bills[0] == bills[1] == bills[2]
    assert (bills[0].calls, bills[0].prompt_tokens, bills[0].completion_tokens) == (2, 1800, 160)
    assert bills[0].cost == pytest.approx((1800 * 2 + 160 * 8) / 1e6)
    assert spent(database).calls == 2


def test_a_stored_answer_of_an_unknown_price_makes_the_bill_unknown_not_zero(database: Database) -> None:
    with chat_server() as server:
        source = open_answers(llm(server.url), database)
        source.ask([request()])
        source.close()
    source = open_answers(llm("https://api.example.com/v1", mode="replay"), database)
    with decision_context("x") as case:
        source.ask([request()])
    assert case.usage.cost is None
    assert case.usage.prompt_tokens == 900


def test_a_model_elsewhere_without_a_price_is_refused_before_anything_is_asked(database: Database) -> None:
    with pytest.raises(ConfigError, match=r"budget\.prices"):
        open_answers(llm("https://api.example.com/v1"), database)
    with pytest.raises(ConfigError, match="'other'"):
        open_answers(llm(fallbacks=(other("https://api.example.com/v1"),)), database)


@pytest.mark.parametrize("span", ["decision", "day", "run"])
def test_a_cap_on_calls_holds_exactly_and_refuses_the_same_ones_every_time(
    database: Database, span: str
) -> None:
    caps = budget(**{span: Caps(calls=5, tokens=10**9, cost=10**6)})
    for attempt in range(3):
        with chat_server() as server:
            settings = llm(server.url, mode="live", max_in_flight=8)
            source = open_answers(
                settings,
                database,
                caps
                if span != "day" or not attempt
                else budget(day=Caps(calls=5 * (attempt + 1), tokens=10**9, cost=10**6)),
                f"run {attempt}",
            )
            with decision_context("BTC/USDT@1", 60.0) as case:
                replies = source.ask([request(f"{attempt} {n}", role=f"r{n}") for n in range(9)])
            source.close()
        assert len(server.requests) == 5
        assert [isinstance(reply, BudgetExhausted) for reply in replies] == [False] * 5 + [True] * 4
        assert set(case.skipped) == {"r5", "r6", "r7", "r8"}
        assert f"budget.{span}.calls" in case.skipped["r8"]


def test_a_cap_on_money_is_never_passed_and_used_as_far_as_calls_fit(database: Database) -> None:
    with chat_server() as server:
        # 900 + 80 tokens cost 0.00244; the bound of one call is what it takes to begin one.
        caps = budget(run=Caps(calls=10**6, tokens=10**9, cost=0.05))
        source = open_answers(llm(server.url, max_in_flight=8), database, caps)
        replies = source.ask([request(str(n)) for n in range(60)])
        source.close()
    cost = spent(database).cost_nano
    assert cost == 2_440_000 * sum(isinstance(reply, Answer) for reply in replies)
    assert cost <= 50_000_000
    assert any(isinstance(reply, BudgetExhausted) for reply in replies)
    assert "budget.run.cost" in str(replies[-1])


def test_what_a_retry_may_cost_is_reserved_too(database: Database) -> None:
    with chat_server(lambda _: Said(b"", drop=True)) as server:
        caps = budget(run=Caps(calls=2, tokens=10**9, cost=10**6))
        source = open_answers(llm(server.url, retries=5, breaker_failures=50), database, caps)
        (reply,) = source.ask([request()])
        source.close()
    assert isinstance(reply, BudgetExhausted)
    assert len(server.requests) == 2
    assert spent(database, basis="bound").calls == 2


def test_an_endpoint_that_is_not_there_or_refuses_costs_nothing(database: Database) -> None:
    with chat_server() as gone:
        nowhere = gone.url
    with chat_server(lambda _: refusal(429, "slow", retry_after="0")) as server:
        for url in (nowhere, server.url):
            source = open_answers(llm(url, retries=1), database, PRICED)
            source.ask([request()])
            source.close()
    assert spent(database) == Spent()


def test_an_endpoint_that_counts_nothing_is_booked_at_the_most_it_may_have_taken(database: Database) -> None:
    body = json.dumps({"choices": [{"message": {"content": answer()}}]}).encode()
    with chat_server(lambda _: Said(body)) as server:
        source = open_answers(llm(server.url), database, PRICED)
        source.ask([request()])
        source.close()
    found = spent(database, basis="bound")
    assert found.calls == 1
    assert found.prompt_tokens >= len(request().body)
    assert found.completion_tokens == 600


def test_each_row_says_what_was_paid_for(database: Database) -> None:
    with chat_server() as server:
        source = open_answers(llm(f"{server.url}?key=hidden"), database, PRICED, "my scope")
        with decision_context("BTC/USDT@2024-01-05T12:00Z", 60.0):
            source.ask([request(role="judge")])
        source.close()
    with database.begin() as connection:
        (row,) = connection.exec_driver_sql("SELECT * FROM spend").mappings().all()
    assert row["decision"] == "BTC/USDT@2024-01-05T12:00Z"
    assert row["run"].startswith("my scope 20")
    assert (row["role"], row["model"], row["basis"]) == ("judge", "heuristic", "usage")
    assert row["endpoint"] == server.url
    assert row["key"] == request(role="judge").key
    assert (row["prompt_tokens"], row["completion_tokens"], row["cost_nano"]) == (900, 80, 2_440_000)
    assert abs(row["at"] - time.time()) < 60


def test_debates_are_told_to_be_compact_when_the_budget_runs_low(database: Database) -> None:
    def many(_: Asked) -> Said:
        return completion()

    with chat_server(many) as server:
        caps = budget(run=Caps(calls=10, tokens=10**9, cost=10**6))
        source = open_answers(llm(server.url), database, caps)
        source.ask([request(str(n)) for n in range(7)])
        assert not source.is_tight("early")
        source.ask([request("x"), request("y")])
        assert source.is_tight("late")
        source.close()
    replay = open_answers(llm(mode="replay"), database)
    assert [replay.is_tight(decision) for decision in ("early", "late", "never made")] == [False, True, False]
