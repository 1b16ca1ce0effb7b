"""The fixed words of a prompt that the rules obey, and how they rewrite a prompt by figures."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.sandbox.model.case import Case, Voice
from agent_market.sandbox.model.chat import complete
from agent_market.sandbox.model.directives import NONE, read_directives, without_directives
from agent_market.sandbox.model.rewriting import Evidence, Rewrite, read_rewrite, rewrite
from agent_market.sandbox.model.rules import answer
from agent_market.sandbox.model.signals import SIGNALS


def asked(text: str = "Look well.", part: str = "belief", role: str = "aggressive", **ts: float) -> Rewrite:
    return Rewrite(role, part, text, tuple(Evidence(name, t) for name, t in ts.items()), -0.01)


def test_directives_are_read_by_name_and_the_later_holds() -> None:
    found = read_directives(
        ["You are bold. Emphasise: trend, MACD. Gain: 1.5.", "Fade: macd. Ignore: recall."]
    )
    assert found.wishes == {"trend": "emphasise", "macd": "fade", "recall": "ignore"}
    assert found.gain == 1.5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "You emphasise trend.",
        "Ignore noise and fade rallies.",
        "gain: much.",
        "Emphasise: Trend and macd.",
    ],
)
def test_ordinary_sentences_are_no_directives(text: str) -> None:
    assert read_directives([text]) is NONE


def test_weights_by_hand() -> None:
    found = read_directives(["Emphasise: trend, stretch. Fade: macd. Ignore: recall. Emphasise: nonsense."])
    before = {"trend": 3.0, "macd": 1.0, "recall": 1.0, "breakout": 2.0}
    assert found.weights(before, SIGNALS) == {
        "trend": 7.0,
        "macd": -5.0,
        "recall": 0.0,
        "breakout": 2.0,
        "stretch": 4.0,
    }


def test_a_faded_signal_counts_against_itself() -> None:
    case = Case("aggressive", {"trend": 1.5}, directives=read_directives(["Fade: trend."]))
    # One known signal, tanh(1) = 0.76159, of weight -7: score -0.76159, depth 10 tanh(2 * -0.76159).
    assert answer(case).depth == pytest.approx(10 * math.tanh(2 * -0.76159), abs=1e-3)


def test_a_gain_scales_the_argument_of_depth() -> None:
    case = Case("aggressive", {"trend": 1.5}, directives=read_directives(["Gain: 0.5."]))
    assert answer(case).depth == pytest.approx(10 * math.tanh(0.76159), abs=1e-3)


def test_the_judge_hears_an_emphasised_voice_five_times_and_an_ignored_one_never() -> None:
    voices = (Voice("quant", 4.0, 0.2), Voice("conservative", -2.0, 0.5))
    loud = Case("judge", voices=voices, directives=read_directives(["Emphasise: quant."]))
    # Confidences 1.0 and 0.5: mean (4 - 1) / 1.5 = 2, deviation sqrt((4 + 0.5 * 16) / 1.5) = 2.82843.
    assert answer(loud).depth == pytest.approx(2.0 * (1 - 0.282843), abs=1e-5)
    deaf = Case("judge", voices=voices, directives=read_directives(["Ignore: conservative."]))
    assert answer(deaf).depth == pytest.approx(4.0)


@given(st.text(max_size=200))
def test_taking_directives_out_leaves_none(text: str) -> None:
    assert read_directives([without_directives(f"{text} Emphasise: trend. {text} Gain: 2.")]) is NONE


def test_a_belief_is_rewritten_to_what_the_figures_say() -> None:
    text = "Look well. Emphasise: macd."
    found = rewrite(asked(text, return_12=-3.0, trend=2.0, rsi_14=1.5, unknown=9.0))
    # Return over 12 candles foretells its opposite: that is the signal `stretch`, with its own sign.
    assert found == {"text": "Look well. Emphasise: stretch. Emphasise: trend."}
    assert rewrite(asked(rsi_14=1.2)) == {"text": "Look well. Fade: rsi_reversal."}
    assert rewrite(asked(trend=0.9)) == {"text": "Look well."}


def test_the_judge_is_told_of_agents() -> None:
    assert rewrite(asked(role="judge", quant=2.0, memory=-1.5)) == {
        "text": "Look well. Emphasise: quant. Fade: memory."
    }


def test_a_losing_decision_part_becomes_calmer() -> None:
    assert rewrite(asked("Size well. Gain: 2.", "decision")) == {"text": "Size well. Gain: 1."}


def body(block: dict[str, Any], **more: Any) -> bytes:
    user = f"Rewrite this.\n```json\n{orjson.dumps(block).decode()}\n```\nAnswer in JSON."
    return orjson.dumps({"model": "heuristic", "messages": [{"role": "user", "content": user}], **more})


def test_a_request_to_rewrite_is_answered_over_the_protocol_within_its_schema() -> None:
    block = {
        "step": "rewrite",
        "role": "aggressive",
        "part": "belief",
        "text": "Look well.",
        "evidence": [{"name": "trend", "ic": 0.1, "t": 2.5}, {"name": 3}, "noise", {"name": "x", "t": None}],
    }
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    form = {"type": "json_schema", "json_schema": {"name": "t", "schema": schema}}
    said = orjson.loads(complete(body(block, response_format=form)).body)
    assert orjson.loads(said["choices"][0]["message"]["content"]) == {"text": "Look well. Emphasise: trend."}
    assert read_rewrite(["no block"]) is None
    assert read_rewrite(["```json\n{broken\n```"]) is None
