from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event, update

from agent_market.config import BudgetSettings, Caps
from agent_market.errors import AnswerInvalid, BudgetExhausted, ModelUnavailable, ReplayMiss, StoreError
from agent_market.llm.answers import answer_writer as recorder_module
from agent_market.llm.answers.schemas import Answer
from agent_market.llm.answers.sources import open_answers
from agent_market.llm.decision_context import decision_context
from agent_market.llm.endpoints.client import RequestTotals
from agent_market.store.answers import AnswerStore
from agent_market.store.database import Database
from agent_market.store.schema import answers as answers_table
from tests.helpers.agent_makers import llm, request
from tests.helpers.chat_server import Asked, Said, answer, chat_server, completion, refusal


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path}/store.sqlite")
    yield opened
    opened.close()


def ask(database: Database, url: str, mode: str, *questions: str) -> tuple[list, RequestTotals]:
    source = open_answers(llm(url, mode=mode, retries=0), database)
    try:
        return source.ask([request(question) for question in questions]), source.usage
    finally:
        source.close()


def test_record_asks_once_and_then_reads(database: Database) -> None:
    with chat_server() as server:
        first, cost = ask(database, server.url, "record", "a", "b")
        second, no_cost = ask(database, server.url, "record", "a", "b")
    assert first == second
    assert first[0] == Answer(belief="scripted", reasons=("so",), depth=2.5, confidence=0.6)
    assert (cost.requests, cost.answers, cost.prompt_tokens) == (2, 2, 1800)
    assert no_cost == RequestTotals()


def test_what_was_asked_and_what_it_cost_is_stored(database: Database) -> None:
    with chat_server() as server:
        ask(database, server.url, "record", "a")
    row = AnswerStore(database).get(request("a").key)
    assert row is not None
    assert row.request == request("a").body
    assert (row.role, row.model, row.prompt_tokens, row.completion_tokens) == (
        "aggressive",
        "heuristic (unsigned)",
        900,
        80,
    )
    assert row.latency_s > 0
    assert row.created_at > 1_700_000_000


def test_the_same_question_twice_at_once_is_asked_once(database: Database) -> None:
    with chat_server() as server:
        replies, usage = ask(database, server.url, "record", "a", "a")
    assert usage.requests == 1
    assert replies[0] == replies[1]


def test_live_always_asks_and_the_newest_answer_is_kept(database: Database) -> None:
    said = iter([completion(answer(depth=1)), completion(answer(depth=2))])
    with chat_server(lambda _: next(said)) as server:
        ask(database, server.url, "live", "a")
        ask(database, server.url, "live", "a")
    (replayed,), _ = ask(database, "http://127.0.0.1:9/v1", "replay", "a")
    assert replayed.depth == 2


def test_replay_opens_no_socket(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with chat_server() as server:
        recorded, _ = ask(database, server.url, "record", "a", "b")

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "create_connection", forbidden)
    replayed, usage = ask(database, "http://127.0.0.1:9/v1", "replay", "a", "b")
    assert replayed == recorded
    assert usage == RequestTotals()


def test_replay_fails_closed_on_what_was_never_recorded(database: Database) -> None:
    with chat_server() as server:
        ask(database, server.url, "record", "a")
        with pytest.raises(ReplayMiss, match=r'1 of 2 answers .*agent aggressive.*"record"'):
            ask(database, server.url, "replay", "a", "never asked")
        assert len(server.requests) == 1


def test_nonsense_is_replayed_as_the_same_abstention_and_asked_again_by_record(database: Database) -> None:
    with chat_server(lambda _: completion("I would hold \ud83d here.")) as server:
        (recorded,), _ = ask(database, server.url, "record", "a")
    (replayed,), _ = ask(database, "http://127.0.0.1:9/v1", "replay", "a")
    assert isinstance(recorded, AnswerInvalid)
    assert isinstance(replayed, AnswerInvalid)
    assert str(replayed) == str(recorded)

    with chat_server() as server:
        (healed,), _ = ask(database, server.url, "record", "a")
    (replayed,), _ = ask(database, "http://127.0.0.1:9/v1", "replay", "a")
    assert isinstance(healed, Answer)
    assert replayed == healed


def test_an_answer_that_was_cut_off_says_so(database: Database) -> None:
    with chat_server(lambda _: completion('{"belief": "a long', finish_reason="length")) as server:
        (reply,), _ = ask(database, server.url, "record", "a")
    assert "cut off at `llm.max_tokens`" in str(reply)


def test_a_models_refusal_is_no_answer(database: Database) -> None:
    with chat_server(lambda _: completion(None, refusal="I cannot give financial advice.")) as server:
        (reply,), _ = ask(database, server.url, "record", "a")
    assert isinstance(reply, AnswerInvalid)
    assert "financial advice" in str(reply)


def test_an_endpoint_that_was_down_is_replayed_as_such_and_asked_again_by_record(database: Database) -> None:
    with chat_server(lambda _: refusal(500, "down")) as server:
        (recorded,), _ = ask(database, server.url, "record", "a")
    (replayed,), _ = ask(database, "http://127.0.0.1:9/v1", "replay", "a")
    assert type(replayed) is type(recorded) is ModelUnavailable
    assert str(replayed) == str(recorded)
    with chat_server() as server:
        (healed,), _ = ask(database, server.url, "record", "a")
    (replayed,), _ = ask(database, "http://127.0.0.1:9/v1", "replay", "a")
    assert isinstance(healed, Answer)
    assert replayed == healed


def test_a_budget_that_forbade_to_ask_is_replayed_as_such(database: Database) -> None:
    caps = BudgetSettings(run=Caps(calls=2, tokens=10**9, cost=10**6))
    questions = [request(str(n)) for n in range(4)]
    with chat_server() as server:
        source = open_answers(llm(server.url, mode="record"), database, caps)
        with decision_context("recorded") as recorded_case:
            recorded = source.ask(questions)
        source.close()
    source = open_answers(llm(mode="replay"), database, caps)
    with decision_context("replayed") as replayed_case:
        replayed = source.ask(questions)
    source.close()
    assert [type(reply) for reply in recorded] == [Answer, Answer, BudgetExhausted, BudgetExhausted]
    assert list(map(repr, replayed)) == list(map(repr, recorded))
    assert replayed_case.skipped == recorded_case.skipped != {}
    assert replayed_case.usage == recorded_case.usage
    assert replayed_case.usage.calls == 2


def test_a_live_bot_keeps_no_note_of_an_endpoint_that_is_down(database: Database) -> None:
    """Nobody replays it, and an outage of days would fill its store."""
    with chat_server(lambda _: refusal(500, "down")) as server:
        ask(database, server.url, "live", "a")
    assert AnswerStore(database).get(request("a").key) is None


def test_one_failure_does_not_take_the_others_with_it(database: Database) -> None:
    def script(asked: Asked) -> Said:
        text = asked.body["messages"][-1]["content"]
        return {"a": completion(), "b": refusal(500, "down"), "c": completion("nonsense")}[text]

    with chat_server(script) as server:
        replies, _ = ask(database, server.url, "record", "a", "b", "c")
    assert [type(reply) for reply in replies] == [Answer, ModelUnavailable, AnswerInvalid]


def test_a_damaged_row_is_an_error_that_names_it(database: Database) -> None:
    with chat_server() as server:
        ask(database, server.url, "record", "a")
    with database.begin() as connection:
        connection.execute(update(answers_table).values(response=b'{"depth": 99}'))
    with pytest.raises(StoreError, match=f"{request('a').key} is damaged"):
        ask(database, "http://127.0.0.1:9/v1", "replay", "a")


def test_a_full_disk_costs_a_warning_and_no_answer(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's page limit answers as a full disk does."""
    pages = [1_000_000]

    @event.listens_for(database.engine, "begin")
    def _limit(connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages[0]}")

    with database.begin() as connection:
        pages[0] = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    monkeypatch.setattr(recorder_module, "RETRY_AFTER_S", 0.0)
    questions = [request(f"{i}" * 3_000) for i in range(5)]
    with chat_server() as server, caplog.at_level(logging.INFO):
        source = open_answers(llm(server.url, mode="record"), database)
        first = [source.ask([question])[0] for question in questions]
        again = source.ask(questions)
        assert len(server.requests) == 5, "what waits for room is found, not asked again"
        assert all(isinstance(reply, Answer) for reply in first)
        assert again == first
        assert caplog.text.count("used but not stored") == 1
        pages[0] = 1_000_000
        source.ask([request("one more")])
        source.close()
        assert "stored again" in caplog.text
        replayed = open_answers(llm(mode="replay"), database).ask(questions)
    assert replayed == first


def test_answers_that_found_no_room_to_the_end_are_reported(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    event.listen(database.engine, "begin", lambda c: c.exec_driver_sql("PRAGMA max_page_count = 1"))
    with chat_server() as server:
        source = open_answers(llm(server.url, mode="record"), database)
        (reply,) = source.ask([request("x" * 20_000)])
        source.close()
    assert isinstance(reply, Answer)
    assert "1 model answers were used and could not be stored" in caplog.text
