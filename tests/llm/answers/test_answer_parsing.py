from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent_market.errors import AnswerInvalid
from agent_market.llm.answers.schemas import (
    ANSWER_SCHEMA,
    FORMS,
    MAX_BELIEF,
    MAX_REASONS,
    Answer,
    parse_answer,
)
from agent_market.llm.answers.sources import decode, encode

GOOD = '{"belief": "b", "reasons": ["r"], "depth": -2.5, "confidence": 0.75}'


def with_fields(**changes: object) -> str:
    return json.dumps({**json.loads(GOOD), **changes})


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Here is my view:\n{GOOD}\nGood luck!",
        f"<think>if {{x}} then {{y}}</think>\n{GOOD}",
        GOOD.replace("}", ', "sentiment": "12h", "nested": {"a": [1]}}'),
    ],
)
def test_an_answer_is_found_in_what_surrounds_it(text: str) -> None:
    assert parse_answer(text) == Answer(belief="b", reasons=("r",), depth=-2.5, confidence=0.75)


def test_whole_numbers_are_numbers_and_the_limits_are_within_range() -> None:
    assert parse_answer('{"depth": 10, "confidence": 1}').depth == 10.0
    assert parse_answer('{"depth": -10, "confidence": 0}').depth == -10.0


def test_missing_text_is_empty_text_and_long_text_is_cut() -> None:
    assert parse_answer('{"depth": 1, "confidence": 0.5}').reasons == ()
    long = parse_answer(with_fields(belief="x" * 9_000, reasons=["y" * 1_000] * 50))
    assert len(long.belief) == MAX_BELIEF
    assert len(long.reasons) == MAX_REASONS


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "no JSON object"),
        ("I would hold here.", "no JSON object"),
        ("} nothing {", "no JSON object"),
        ("[1, 2]", "no JSON object"),
        ("null", "no JSON object"),
        (GOOD[:-8], "no JSON object"),
        (GOOD + GOOD, "no valid JSON object"),
        ('{"depth": 1, "depth": -9, "confidence": 0.5}', "given twice"),
        ("{" * 5_000, "no JSON object"),
        ('{"a":' * 5_000 + "}", "no valid JSON object"),
        ("x" * 100_000, "longer than"),
        ('{"confidence": 0.5}', "depth: Field required"),
        ('{"depth": 0.5}', "confidence: Field required"),
        (with_fields(depth="3"), "depth: Input should be a valid number"),
        (with_fields(depth=True), "depth"),
        (with_fields(depth=None), "depth"),
        (with_fields(depth=[3]), "depth"),
        (with_fields(depth=10.01), "less than or equal to 10"),
        (with_fields(depth=-11), "greater than or equal to -10"),
        (with_fields(depth=10**400), "depth"),
        (with_fields(depth=float("nan")), "depth"),
        (with_fields(depth=float("inf")), "depth"),
        (GOOD.replace("-2.5", "1e999"), "depth"),
        (GOOD.replace("-2.5", "1" + "0" * 5_000), "no valid JSON object"),
        (with_fields(confidence=75), "confidence"),
        (with_fields(confidence=-0.1), "confidence"),
        (with_fields(confidence=float("nan")), "confidence"),
        (with_fields(belief=7), "belief"),
        (with_fields(reasons={"a": 1}), "reasons"),
        (with_fields(reasons=[{"a": 1}]), "reasons.0"),
        (with_fields(reasons=[True]), "reasons.0"),
        (f"<think>I would say {GOOD}", "does not end"),
        (f"<think>no</think>{GOOD}<think>or {GOOD}", "no valid JSON object"),
    ],
)
def test_what_is_no_answer_says_why(text: str, cause: str) -> None:
    with pytest.raises(AnswerInvalid) as caught:
        parse_answer(text)
    assert cause in str(caught.value)
    assert len(str(caught.value)) < 600


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
almost_answers = st.fixed_dictionaries(
    {},
    optional={
        "depth": json_values | st.floats(-12, 12),
        "confidence": json_values | st.floats(-0.2, 1.2),
        "belief": json_values,
        "reasons": json_values | st.lists(st.text()),
        "extra": json_values,
    },
).map(json.dumps)
hostile_texts = st.one_of(
    st.text(st.characters(codec=None)),
    st.text(alphabet='{}[]":,\\0123456789.eE+-nulltruefaseNIiy depthconfidence`\n\ud800'),
    almost_answers,
    almost_answers.flatmap(lambda text: st.integers(0, len(text)).map(lambda cut: text[:cut])),
    almost_answers.flatmap(lambda text: st.text(max_size=20).map(lambda around: around + text + around)),
)


@given(hostile_texts)
@example('{"depth": 1, "confidence": 0.5, "belief": "\\ud800"}')
@example('{"depth": 1, "confidence": 0.5, "belief": "\ud800"}')
@example('{"depth": 1, "confidence": 0.5, "belief": "\x00"}')
def test_any_text_is_a_valid_answer_or_an_error_with_a_cause_and_either_can_be_stored(text: str) -> None:
    try:
        reply: Answer | AnswerInvalid = parse_answer(text)
    except AnswerInvalid as error:
        reply = error
    if isinstance(reply, Answer):
        assert -10 <= reply.depth <= 10
        assert 0 <= reply.confidence <= 1
    else:
        assert str(reply)
    read_back = decode("key", encode(reply, text))
    assert type(read_back) is type(reply)
    assert read_back == reply or str(read_back) == str(reply)


def test_the_schema_that_is_sent_and_the_one_that_validates_are_the_same() -> None:
    assert set(ANSWER_SCHEMA["properties"]) == set(Answer.model_fields) == set(ANSWER_SCHEMA["required"])
    assert next(iter(ANSWER_SCHEMA["properties"])) == "belief", "a model must argue before it gives a number"
    for form in FORMS:
        assert set(form.schema["properties"]) <= set(form.type.model_fields)
        needed = {name for name, field in form.type.model_fields.items() if field.is_required()}
        assert needed <= set(form.schema["required"])
