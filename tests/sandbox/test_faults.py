"""Every fault as a real client on a real socket sees it, and the board's own rules with a clock by hand."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import httpx
import openai
import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from agent_market.errors import SandboxError
from agent_market.sandbox.faults import (
    BadAnswer,
    Drop,
    FaultPlan,
    FaultRegistry,
    FlashCrash,
    Latency,
    MalformedJson,
    MarketFaults,
    MissingCandles,
    PromptInjection,
    RateLimit,
    ServerError,
    StaleCandles,
    TruncatedJson,
    install,
    load_plan,
)
from agent_market.sandbox.faults.board import ActiveFault
from agent_market.sandbox.server import running

PRICES = {"prices": list(range(100))}


class Clock:
    """Epoch seconds that move only when told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Handled:
    """How often the app behind the faults did its work."""

    times = 0


@pytest.fixture
def board() -> FaultRegistry:
    return FaultRegistry()


@pytest.fixture
def handled() -> Handled:
    return Handled()


@pytest.fixture
def client(board: FaultRegistry, handled: Handled) -> Iterator[httpx.Client]:
    app = FastAPI()

    @app.get("/api/prices")
    def prices() -> dict[str, list[int]]:
        handled.times += 1
        return PRICES

    @app.get("/other")
    def other() -> str:
        return "fine"

    install(app, board)
    with running(app) as url, httpx.Client(base_url=url, timeout=10) as http:
        yield http


def test_without_faults_responses_pass_untouched(client: httpx.Client) -> None:
    assert client.get("/api/prices").json() == PRICES


def test_latency_makes_the_request_wait(client: httpx.Client, board: FaultRegistry) -> None:
    board.set([Latency(seconds=0.2), Latency(seconds=0.1)])
    begun = time.perf_counter()
    assert client.get("/api/prices").json() == PRICES
    assert time.perf_counter() - begun >= 0.3


def test_rate_limit_is_a_429_that_says_when_to_come_back(
    client: httpx.Client, board: FaultRegistry, handled: Handled
) -> None:
    board.set([RateLimit(retry_after_s=7)])
    response = client.get("/api/prices")
    assert response.status_code == 429
    assert response.headers["retry-after"] == "7"
    # Both dialects: Binance's code and OpenAI's error object.
    assert response.json()["code"] == -1003
    assert response.json()["error"]["type"] == "rate_limit_error"
    assert handled.times == 0


@pytest.mark.parametrize("status", [500, 503])
def test_server_error_has_the_chosen_status(client: httpx.Client, board: FaultRegistry, status: int) -> None:
    board.set([ServerError(status=status)])
    assert client.get("/api/prices").status_code == status


@pytest.mark.parametrize("keep", [0.0, 0.5])
def test_a_drop_closes_the_socket_in_the_middle_of_a_response_that_was_handled(
    client: httpx.Client, board: FaultRegistry, handled: Handled, keep: float
) -> None:
    board.set([Drop(keep=keep, count=1)])
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        client.get("/api/prices")
    assert handled.times == 1
    assert client.get("/api/prices").json() == PRICES


def test_malformed_json_is_complete_http_and_no_json(client: httpx.Client, board: FaultRegistry) -> None:
    board.set([MalformedJson()])
    response = client.get("/api/prices")
    assert response.status_code == 200
    with pytest.raises(json.JSONDecodeError, match="Extra data"):
        response.json()


def test_truncated_json_is_the_beginning_of_the_answer(client: httpx.Client, board: FaultRegistry) -> None:
    whole = client.get("/api/prices").content
    board.set([TruncatedJson(keep=0.25)])
    response = client.get("/api/prices")
    assert response.content == whole[: len(whole) // 4]
    with pytest.raises(json.JSONDecodeError):
        response.json()


def test_latency_goes_with_a_failure_and_of_two_failures_the_first_is_served(
    client: httpx.Client, board: FaultRegistry
) -> None:
    board.set([ServerError(count=1), RateLimit(count=1), Latency(seconds=0.1)])
    begun = time.perf_counter()
    assert client.get("/api/prices").status_code == 500
    assert time.perf_counter() - begun >= 0.1
    assert client.get("/api/prices").status_code == 429
    assert client.get("/api/prices").status_code == 200


def test_only_the_chosen_path_is_struck(client: httpx.Client, board: FaultRegistry) -> None:
    board.set([ServerError(path="/api")])
    assert client.get("/api/prices").status_code == 500
    assert client.get("/other").status_code == 200


def test_faults_are_put_shown_and_taken_away_over_http(client: httpx.Client) -> None:
    put = client.put("/admin/faults", json=[{"kind": "server_error", "status": 502, "count": 2}])
    assert put.status_code == 200
    assert client.get("/api/prices").status_code == 502
    (row,) = client.get("/admin/faults").json()["faults"]
    assert (row["kind"], row["state"], row["hits"]) == ("server_error", "on", 1)
    assert client.get("/api/prices").status_code == 502
    assert client.get("/admin/faults").json()["faults"][0]["state"] == "over"
    assert client.delete("/admin/faults").json() == {"seed": 0, "faults": []}
    assert client.get("/api/prices").status_code == 200


def test_the_switchboard_itself_is_never_struck(client: httpx.Client) -> None:
    client.put("/admin/faults", json=[{"kind": "drop"}])
    assert client.get("/admin/faults").status_code == 200
    assert client.delete("/admin/faults").status_code == 200


@pytest.mark.parametrize(
    ("body", "where", "says"),
    [
        ([{"kind": "latncy", "seconds": 1}], ["faults", 0], "'latency'"),
        ([{"kind": "latency"}], ["faults", 0, "latency", "seconds"], "Field required"),
        (
            [{"kind": "drop", "probability": 1.5}],
            ["faults", 0, "drop", "probability"],
            "less than or equal to 1",
        ),
        ([{"kind": "drop", "path": "api"}], ["faults", 0, "drop", "path"], "pattern"),
        ([{"kind": "flash_crash", "depth": 1}], ["faults", 0, "flash_crash", "depth"], "less than 1"),
        ([{"kind": "drop", "odds": 1}], ["faults", 0, "drop", "odds"], "not permitted"),
        ({"fault": []}, ["fault"], "not permitted"),
    ],
)
def test_a_bad_fault_is_a_422_that_names_it_and_the_old_ones_stay(
    client: httpx.Client, board: FaultRegistry, body: object, where: list[object], says: str
) -> None:
    board.set([StaleCandles(seconds=5)])
    response = client.put("/admin/faults", json=body)
    assert response.status_code == 422
    (problem,) = response.json()["detail"]
    assert problem["loc"] == ["body", *where]
    assert says in problem["msg"]
    assert board.market().stale_s == 5


def test_probability_is_drawn_from_the_plans_seed() -> None:
    def strikes(seed: int) -> list[bool]:
        board = FaultRegistry(FaultPlan(faults=(RateLimit(probability=0.3),), seed=seed))
        return [board.strike("/") is not None for _ in range(1000)]

    assert strikes(1) == strikes(1)
    assert strikes(1) != strikes(2)
    # Binomial(1000, 0.3): mean 300, standard deviation 14.5.
    assert 240 < sum(strikes(1)) < 360


def test_a_further_fault_does_not_change_the_draws_of_the_first() -> None:
    alone, beside = FaultRegistry(), FaultRegistry()
    alone.set([RateLimit(probability=0.5, path="/a")])
    beside.set([RateLimit(probability=0.5, path="/a"), ServerError(probability=0.5, path="/b")])
    for _ in range(100):
        beside.strike("/b")
        assert alone.strike("/a") == beside.strike("/a")


def test_a_scheduled_fault_is_on_from_at_s_for_for_s() -> None:
    clock = Clock(1000)
    board = FaultRegistry(FaultPlan(faults=(ServerError(at_s=10, for_s=5),)), clock)
    seen = []
    for now in (1000, 1009.9, 1010, 1014.9, 1015):
        clock.now = now
        seen.append((board.strike("/") is not None, board.report()["faults"][0]["state"]))
    assert seen == [(False, "waiting"), (False, "waiting"), (True, "on"), (True, "on"), (False, "over")]


def test_market_faults_are_one_record_with_the_stronger_of_each_kind() -> None:
    clock = Clock(1000)
    board = FaultRegistry(clock=clock)
    assert board.market() == MarketFaults(missing=0, stale_s=0, flash_crash=0, since=0)
    board.set(
        [
            MissingCandles(share=0.1),
            MissingCandles(share=0.2),
            StaleCandles(seconds=90),
            FlashCrash(depth=0.3, at_s=60, for_s=30),
        ]
    )
    assert board.market() == MarketFaults(missing=0.2, stale_s=90, flash_crash=0, since=1000)
    clock.now = 1070
    assert board.market() == MarketFaults(missing=0.2, stale_s=90, flash_crash=0.3, since=1060)
    clock.now = 1090
    assert board.market().flash_crash == 0
    board.clear()
    assert board.market() == MarketFaults()


def test_setting_anew_starts_hits_and_draws_anew_and_adding_keeps_them() -> None:
    board = FaultRegistry()
    board.set([ServerError(count=1)])
    assert board.strike("/") is not None
    board.add(RateLimit(count=1))
    assert board.strike("/") == ActiveFault(failure=RateLimit(count=1))
    assert board.strike("/") is None
    board.set([ServerError(count=1)])
    assert board.strike("/") == ActiveFault(failure=ServerError(count=1))


def test_a_count_holds_under_many_threads() -> None:
    board = FaultRegistry()
    board.set([RateLimit(count=500)])
    hits: list[int] = []

    def ask() -> None:
        hits.append(sum(board.strike("/") is not None for _ in range(400)))

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(hits) == 500


@pytest.mark.parametrize(
    "text",
    [
        "- {kind: flash_crash, depth: 0.3, at_s: 60, for_s: 120}\n- {kind: drop, count: 1}\n",
        '[{"kind": "flash_crash", "depth": 0.3, "at_s": 60, "for_s": 120}, {"kind": "drop", "count": 1}]',
        "faults:\n- {kind: flash_crash, depth: 0.3, at_s: 60, for_s: 120}\n- {kind: drop, count: 1}\n",
    ],
)
def test_a_schedule_file_is_yaml_or_json(tmp_path: Path, text: str) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(text)
    assert load_plan(file).faults == (FlashCrash(depth=0.3, at_s=60, for_s=120), Drop(count=1))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- {kind: latency, seconds: -1}", r"faults\.0\.latency\.seconds = -1"),
        ("- {kind: nonsense}", r"faults\.0 .*nonsense"),
        ("faults: [", "neither YAML nor JSON"),
        ("just words", "bad fault schedule"),
    ],
)
def test_a_bad_schedule_file_says_where(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "faults.yaml"
    file.write_text(text)
    with pytest.raises(SandboxError, match=says):
        load_plan(file)


def test_a_missing_schedule_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"absent\.yaml: No such file"):
        load_plan(tmp_path / "absent.yaml")


def test_faults_refuse_numbers_that_are_not_finite() -> None:
    with pytest.raises(ValidationError):
        Latency(seconds=float("nan"))
    with pytest.raises(ValidationError):
        Latency(seconds=float("inf"))


class TestAsTheOpenaiClientSeesThem:
    """The client that the agents use, over the running model server."""

    MESSAGES = ({"role": "user", "content": '```json\n{"role": "quant", "features": {"trend": 1.0}}\n```'},)

    @staticmethod
    def ask(url: str, retries: int = 0, timeout: float = 5.0) -> str | None:
        with openai.OpenAI(
            base_url=f"{url}/v1", api_key="none", max_retries=retries, timeout=timeout
        ) as client:
            answer = client.chat.completions.create(
                model="heuristic",
                messages=list(TestAsTheOpenaiClientSeesThem.MESSAGES),  # type: ignore[arg-type]
            )
            return answer.choices[0].message.content

    def test_429(self, sandbox_model: str, sandbox_board: FaultRegistry) -> None:
        sandbox_board.set([RateLimit(retry_after_s=3)])
        with pytest.raises(openai.RateLimitError) as caught:
            self.ask(sandbox_model)
        assert caught.value.response.headers["retry-after"] == "3"

    def test_429_is_over_after_its_count_and_the_clients_retry_gets_through(
        self, sandbox_model: str, sandbox_board: FaultRegistry
    ) -> None:
        sandbox_board.set([RateLimit(retry_after_s=0, count=1)])
        assert json.loads(self.ask(sandbox_model, retries=1) or "")["depth"] > 0
        assert sandbox_board.report()["faults"][0]["hits"] == 1

    def test_500(self, sandbox_model: str, sandbox_board: FaultRegistry) -> None:
        sandbox_board.set([ServerError()])
        with pytest.raises(openai.InternalServerError):
            self.ask(sandbox_model)

    def test_dropped_connection(self, sandbox_model: str, sandbox_board: FaultRegistry) -> None:
        sandbox_board.set([Drop()])
        with pytest.raises(openai.APIConnectionError):
            self.ask(sandbox_model)

    def test_latency_beyond_the_timeout(self, sandbox_model: str, sandbox_board: FaultRegistry) -> None:
        sandbox_board.set([Latency(seconds=0.5)])
        with pytest.raises(openai.APITimeoutError):
            self.ask(sandbox_model, timeout=0.1)

    @pytest.mark.parametrize("fault", [MalformedJson(), TruncatedJson()])
    def test_broken_json(
        self, sandbox_model: str, sandbox_board: FaultRegistry, fault: MalformedJson | TruncatedJson
    ) -> None:
        sandbox_board.set([fault])
        with pytest.raises((json.JSONDecodeError, openai.APIResponseValidationError)):
            self.ask(sandbox_model)

    def test_bad_answers_are_sound_http_with_content_that_does_not_fit(
        self, sandbox_model: str, sandbox_board: FaultRegistry
    ) -> None:
        def bad(style: str) -> str:
            sandbox_board.set([BadAnswer(style=style, count=1)])  # type: ignore[arg-type]
            return self.ask(sandbox_model) or ""

        assert "{" not in bad("prose")
        with pytest.raises(json.JSONDecodeError):
            json.loads(bad("truncated"))
        assert json.loads(bad("out_of_range"))["depth"] == 1e6
        assert -10 <= json.loads(self.ask(sandbox_model) or "")["depth"] <= 10

    def test_a_gullible_model_believes_the_headline_that_it_is_shown_and_no_other(
        self, sandbox_model: str, sandbox_board: FaultRegistry
    ) -> None:
        before = json.loads(self.ask(sandbox_model) or "")["depth"]
        sandbox_board.set([PromptInjection(text="no such headline")])
        assert json.loads(self.ask(sandbox_model) or "")["depth"] == before
        assert sandbox_board.report()["faults"][0]["hits"] == 0
        sandbox_board.set([PromptInjection(text="features", depth=-7.5)])
        said = json.loads(self.ask(sandbox_model) or "")
        assert said["depth"] == -7.5
        assert said["confidence"] == 1.0
        assert sandbox_board.report()["faults"][0]["hits"] == 1
