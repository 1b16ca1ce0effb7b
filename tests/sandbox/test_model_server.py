"""The model server over loopback, asked by the real `openai` client."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from agent_market.sandbox.faults import FaultRegistry, ServerError
from agent_market.sandbox.model.tokens import count_tokens, cut_to_tokens

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "depth": {"type": "number", "minimum": -10, "maximum": 10},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "belief": {"type": "string"},
        "reasons": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["depth", "confidence", "belief", "reasons"],
    "additionalProperties": False,
}


def asks(schema: dict[str, Any]) -> Any:
    return {"type": "json_schema", "json_schema": {"name": "view", "strict": True, "schema": schema}}


FORMAT: Any = asks(SCHEMA)


def prompt(**block: Any) -> list[Any]:
    text = json.dumps({"schema": "agent-market/1", "role": "quant", "features": {"trend": 1.0}, **block})
    return [
        {"role": "system", "content": "You are an agent."},
        {"role": "user", "content": f"The state.\n```json\n{text}\n```\nYour view."},
    ]


@pytest.fixture
def client(sandbox_model: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{sandbox_model}/v1", api_key="none", max_retries=0) as client:
        yield client


def usage(url: str) -> dict[str, Any]:
    report: dict[str, Any] = httpx.get(f"{url}/admin/usage").json()
    return report


def test_an_answer_fits_the_schema_and_says_that_it_is_rules(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="heuristic", messages=prompt(), response_format=FORMAT)
    content = json.loads(answer.choices[0].message.content or "")
    # The trend alone, tanh(1 / 1.5) = 0.58278: depth = 10 tanh(1.5 * 0.58278) = 7.034.
    # It has weight 1 of 6 in an unknown regime: coverage 1/6, agreement 1.
    assert content["depth"] == 7.03
    assert content["confidence"] == pytest.approx(0.8 / 6, abs=5e-4)
    assert content["belief"].startswith("Rules, no language model")
    assert content["reasons"] == ["trend +0.58 x 1"]
    assert answer.system_fingerprint == "agent-market-heuristic-rules"
    assert answer.choices[0].finish_reason == "stop"


def test_models_say_that_they_are_rules(client: openai.OpenAI) -> None:
    models = {model.id: model for model in client.models.list()}
    assert set(models) == {"heuristic", "heuristic-fast", "heuristic-deep", "heuristic-embedding"}
    assert all("no language model" in model.owned_by for model in models.values())
    assert client.models.retrieve("heuristic").id == "heuristic"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


def test_the_same_request_gives_the_same_bytes(sandbox_model: str) -> None:
    body = {"model": "heuristic", "messages": prompt(), "response_format": FORMAT}
    url = f"{sandbox_model}/v1/chat/completions"
    first, second = (httpx.post(url, json=body) for _ in range(2))
    assert first.content == second.content
    other = httpx.post(url, json={**body, "messages": prompt(regime="up-calm")})
    assert other.json()["id"] != first.json()["id"]


@pytest.mark.parametrize("model", ["heuristic-fast", "heuristic-deep"])
def test_the_other_names_have_the_same_rules(client: openai.OpenAI, model: str) -> None:
    ask = client.chat.completions.create
    one, two = (ask(model=name, messages=prompt()) for name in ("heuristic", model))
    assert two.model == model
    assert one.choices[0].message == two.choices[0].message


def test_the_schema_is_kept_even_where_it_is_narrower_than_the_rules(client: openai.OpenAI) -> None:
    narrow = {
        "type": "object",
        "properties": {
            "depth": {"type": "integer", "minimum": -3, "maximum": 3},
            "belief": {"type": "string", "maxLength": 10},
            "reasons": {"type": "array", "maxItems": 0, "items": {"type": "string"}},
        },
        "required": ["depth", "belief"],
        "additionalProperties": False,
    }
    answer = client.chat.completions.create(
        model="heuristic", messages=prompt(), response_format=asks(narrow)
    )
    content = json.loads(answer.choices[0].message.content or "")
    assert content == {"depth": 3, "belief": "Rules, no ", "reasons": []}


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}, "'price'"),
        ({"type": "array"}, "array"),
        ({"type": "no such type"}, "no JSON schema"),
        ({"$ref": "http://127.0.0.1:9/away.json"}, "refers to what it does not hold"),
    ],
)
def test_a_schema_that_the_rules_cannot_fill_is_refused(
    client: openai.OpenAI, schema: dict[str, Any], says: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=says) as caught:
        client.chat.completions.create(model="heuristic", messages=prompt(), response_format=asks(schema))
    assert caught.value.param == "response_format"


def test_without_numbers_the_answer_is_text_that_says_what_is_needed(client: openai.OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "Will it rise?"}]
    answer = client.chat.completions.create(model="heuristic", messages=messages)
    assert "rule set that reads numbers" in (answer.choices[0].message.content or "")


def test_without_numbers_a_schema_is_answered_by_a_refusal_and_not_by_a_hold(client: openai.OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "Will it rise?"}]
    answer = client.chat.completions.create(model="heuristic", messages=messages, response_format=FORMAT)
    message = answer.choices[0].message
    assert message.content is None
    assert "no language model" in (message.refusal or "")


def test_usage_counts_a_quarter_of_the_bytes_rounded_up(client: openai.OpenAI) -> None:
    messages: list[Any] = [{"role": "system", "content": "abcd"}, {"role": "user", "content": "€uro?"}]
    answer = client.chat.completions.create(model="heuristic", messages=messages)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 1 + 2  # 4 bytes; 3 + 4 = 7 bytes
    text = answer.choices[0].message.content or ""
    assert answer.usage.completion_tokens == math.ceil(len(text.encode()) / 4)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_an_answer_longer_than_max_tokens_is_cut_there(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="heuristic", messages=prompt(), max_tokens=10)
    assert answer.choices[0].finish_reason == "length"
    assert len(answer.choices[0].message.content or "") == 40
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 10


def test_cutting_never_splits_a_character() -> None:
    assert cut_to_tokens("ab€€", 1) == "ab"  # the third byte begins a character of three
    assert count_tokens("") == 0


def test_text_parts_are_read_like_text(client: openai.OpenAI) -> None:
    whole = prompt()
    parts: list[Any] = [
        whole[0],
        {"role": "user", "content": [{"type": "text", "text": whole[1]["content"]}]},
    ]
    ask = client.chat.completions.create
    one, two = (ask(model="heuristic", messages=messages) for messages in (whole, parts))
    assert one.choices[0].message == two.choices[0].message


def test_an_unknown_model_is_a_404_that_names_those_on_offer(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match=r"gpt-9.*heuristic") as caught:
        client.chat.completions.create(model="gpt-9", messages=prompt())
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0]"),
        ({"stream": True}, "stream"),
        ({"n": 2}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"model": ""}, "model"),
        ({"model": "heuristic-embedding"}, "model"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
    ],
)
def test_a_bad_request_is_a_400_that_names_the_parameter(
    sandbox_model: str, change: dict[str, Any], param: str
) -> None:
    body = {"model": "heuristic", "messages": prompt(), **change}
    response = httpx.post(f"{sandbox_model}/v1/chat/completions", json=body)
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
@pytest.mark.parametrize("path", ["chat/completions", "embeddings"])
def test_a_body_that_is_no_json_object_is_a_400(sandbox_model: str, path: str, body: bytes) -> None:
    response = httpx.post(f"{sandbox_model}/v1/{path}", content=body)
    assert response.status_code == 400
    assert "error" in response.json()


class TestEmbeddings:
    @staticmethod
    def vectors(client: openai.OpenAI, texts: list[str], **options: Any) -> list[list[float]]:
        answer = client.embeddings.create(model="heuristic-embedding", input=texts, **options)
        assert [row.index for row in answer.data] == list(range(len(texts)))
        return [row.embedding for row in answer.data]

    def test_vectors_have_unit_length_and_share_words(self, client: openai.OpenAI) -> None:
        texts = [
            "Funding rates rise while volume falls",
            "volume FALLS as funding rises",
            "cats sleep",
            "€!?",
        ]
        one, two, three, four = self.vectors(client, texts)
        for vector in (one, two, three, four):
            assert len(vector) == 256
            assert math.hypot(*vector) == pytest.approx(1, abs=1e-6)
        # 6 and 5 words, of which funding, volume, falls are shared: 3 / sqrt(6 * 5), no collision here.
        assert sum(a * b for a, b in zip(one, two, strict=True)) == pytest.approx(3 / math.sqrt(30), abs=1e-6)

    def test_both_encodings_are_one_vector(self, client: openai.OpenAI) -> None:
        # Without an encoding the client asks for base64 and decodes it.
        (binary,) = self.vectors(client, ["risk on"])
        (plain,) = self.vectors(client, ["risk on"], encoding_format="float")
        assert binary == pytest.approx(plain, abs=1e-7)

    def test_dimensions_are_as_asked(self, client: openai.OpenAI) -> None:
        (vector,) = self.vectors(client, ["risk on"], dimensions=16)
        assert len(vector) == 16

    @pytest.mark.parametrize("bad", [{"input": []}, {"input": ""}, {"input": [1, 2]}, {"dimensions": 0}])
    def test_bad_input_is_a_400(self, sandbox_model: str, bad: dict[str, Any]) -> None:
        body = {"model": "heuristic-embedding", "input": "x", **bad}
        assert httpx.post(f"{sandbox_model}/v1/embeddings", json=body).status_code == 400


class TestUsage:
    def test_calls_and_tokens_are_counted_per_model_until_they_are_reset(
        self, sandbox_model: str, client: openai.OpenAI
    ) -> None:
        assert usage(sandbox_model) == {
            "requests": 0,
            "calls": 0,
            "prompt_tokens": 0,
            "completion_tokens": 0,
            "total_tokens": 0,
            "models": {},
        }
        answers = [client.chat.completions.create(model="heuristic", messages=prompt()) for _ in range(2)]
        client.embeddings.create(model="heuristic-embedding", input="abcde")
        report = usage(sandbox_model)
        assert (report["requests"], report["calls"]) == (3, 3)
        assert report["models"]["heuristic"]["calls"] == 2
        tokens = sum(answer.usage.total_tokens for answer in answers if answer.usage)
        assert report["models"]["heuristic"]["total_tokens"] == tokens
        assert report["models"]["heuristic-embedding"]["prompt_tokens"] == 2
        assert report["total_tokens"] == tokens + 2
        assert httpx.delete(f"{sandbox_model}/admin/usage").json()["requests"] == 0
        assert usage(sandbox_model)["calls"] == 0

    def test_a_request_that_a_fault_or_an_error_refused_is_still_a_request(
        self, sandbox_model: str, sandbox_board: FaultRegistry, client: openai.OpenAI
    ) -> None:
        sandbox_board.set([ServerError(count=1)])
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(model="heuristic", messages=prompt())
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="gpt-9", messages=prompt())
        report = usage(sandbox_model)
        assert (report["requests"], report["calls"]) == (2, 0)

    def test_listing_models_asks_no_model(self, sandbox_model: str, client: openai.OpenAI) -> None:
        client.models.list()
        assert usage(sandbox_model)["requests"] == 0
