"""What the language takes, what it refuses, and how it says so."""

from __future__ import annotations

import time

import pytest

from agent_market.errors import ExpressionError
from agent_market.factors.limits import Limits
from agent_market.factors.parse import parse, parse_factor
from agent_market.factors.tree import render


def refusal(text: str, limits: Limits | None = None) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        parse_factor(text, limits) if limits else parse_factor(text)
    return caught.value


def test_the_example_of_the_design_is_read() -> None:
    tree = parse_factor("sub(ts_rank(delta(close, 5), 20), zscore(volume, 60))")
    assert render(tree) == "sub(ts_rank(delta(close, 5), 20), zscore(volume, 60))"
    assert tree.rows == 60
    assert str(tree.kind) == "ratio"


@pytest.mark.parametrize(
    ("infix", "calls"),
    [
        ("(close - open) / open", "div(sub(close, open), open)"),
        ("-close / open", "div(neg(close), open)"),
        ("close > open", "gt(close, open)"),
        ("close > open and not volume <= ts_mean(volume, 20)",
         "logical_and(gt(close, open), logical_not(le(volume, ts_mean(volume, 20))))"),
        ("1 if close > open else -1", "if_else(gt(close, open), 1, -1)"),
        ("  close\n / open", "div(close, open)"),
    ],
)  # fmt: skip
def test_infix_is_the_same_as_calls(infix: str, calls: str) -> None:
    assert parse(infix) == parse(calls)
    assert render(parse(infix)) == calls


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("close + 1", 8, "`1` in `add` is a ratio where a price is needed"),
        ("cs_rank(close)", 8, "cannot be compared across pairs"),
        ("log(close)", 4, "free of units"),
        ("close", 0, "a factor must be free of units; this is a price"),
        ("1 + 2", 0, "uses no field"),
        ("close - close", 0, "its terms cancel"),
        ("close / open - close / open", 0, "its terms cancel"),
        ("delay(close, -1) / close", 13, "have not closed"),
        ("delay(close, 0) / close", 13, "is the candle itself"),
        ("ts_mean(close, 2.5) / close", 15, "whole number"),
        ("ts_mean(close, volume) / close", 15, "plain constant"),
        ("ts_mean(close, window=5) / close", 22, "by position"),
        ("ts_mean(close) / close", 0, "takes 2 inputs and was given 1"),
        ("mean(close, 5) / close", 0, "did you mean `ts_mean`?"),
        ("close / ope", 8, "did you mean `open`?"),
        ("ts_mean / close", 0, "operator without its inputs"),
        ("close ** 2", 0, "signed_power"),
        ("open < close < high", 0, "chained"),
        ("close == open", 0, "Eq is not part"),
        ("close.real", 0, "attribute access"),
        ("close[0]", 0, "indexing"),
        ("(lambda: close)()", 0, "called, by name"),
        ("__import__('os').system('x')", 0, "called, by name"),
        ("close / open;", 12, "';' is not allowed"),
        ("close / öpen", 8, "not allowed"),
        ("close / open\\", 12, "not allowed"),
        ("1if close > open else 0", 1, "runs into a letter"),
        ("close / 1e999", 8, "no finite number"),
        ("close / open * 1e12", 15, "out of range"),
        ("ts_return(close, 5000)", 0, "2000 are allowed"),
        ("at('3h', ts_return(close, 1))", 3, "'3h'"),
        ("at('4h', at('1d', ts_return(close, 1)))", 0, "inside another"),
        ("ts_mean(1, 5)", 8, "given the number 1"),
        ("close / open / 0", 15, "division by zero"),
        ("True", 0, "no number"),
        ("'text'", 0, "no number"),
        ("", 0, "empty"),
        ("(close", 0, "cannot be read"),
        ("close +", 7, "cannot be read"),
        ("clip(close / open, 2, 1)", 22, "low < high"),
        ("if_else(close, open, high) / close", 8, "where a condition is needed"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_place_and_the_fix(text: str, position: int, says: str) -> None:
    error = refusal(text)
    assert says in str(error)
    assert error.position == position
    assert error.fix


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000 + "close" + ")" * 10_000,
        "(" * 900 + "close" + ")" * 900,
        "-" * 1_990 + "close",
        "+" * 1_990 + "close",
        "not " * 490 + "close",
        "close" + ".a" * 900,
        "close" + "()" * 900,
        "close" + "[0]" * 600,
        "close" + "/open" * 390,
        "close>open" + " and close>open" * 130,
        "abs(" * 400 + "close" + ")" * 400,
        "1 if " * 300 + "1",
        "a" * 1_999,
        "9" * 1_999,
        "0x" + "f" * 1_900,
        "close," * 300,
        "\x00" * 50,
        "lambda:" * 250 + "close",
        "f" + "'" * 3,
        "*" * 1_000,
        "[" * 30 + "]" * 30,
    ],
)
def test_hostile_text_is_refused_at_once(text: str) -> None:
    started = time.perf_counter()
    refusal(text)
    assert time.perf_counter() - started < 1.0


def test_each_limit_is_held() -> None:
    growth = "ts_return(close, 24)"
    assert "characters" in str(refusal(growth, Limits(text=10)))
    assert "brackets" in str(refusal("((" + growth + "))", Limits(nesting=2)))
    assert "levels" in str(refusal(f"abs(abs({growth}))", Limits(depth=3)))
    assert "size" in str(refusal(f"{growth} - ts_return(open, 24)", Limits(size=4)))
    assert "window" in str(refusal(growth, Limits(window=23)))
    assert "reach" in str(refusal(f"ts_mean({growth}, 24)", Limits(rows=47)))
    assert "cost" in str(refusal(f"ts_rank({growth}, 200)", Limits(cost=50)))


@pytest.mark.parametrize("digits", [20, 400, 4_000])
@pytest.mark.parametrize(
    "text",
    [
        "close / {}", "{} * close / open", "-{} + close / open", "delay(close, {}) / close",
        "ts_mean(close, -{}) / close", "clip(close / open, 0, {})", "clip(close / open, -{}, 1)",
        "signed_power(close / open, {})", "at({}, close / open)", "close / open > {}",
    ],
)  # fmt: skip
def test_a_number_of_hundreds_of_digits_is_refused_where_it_stands(text: str, digits: int) -> None:
    with pytest.raises(ExpressionError) as refused:
        parse(text.format("9" * digits), Limits(text=10_000))
    assert len(str(refused.value)) < 10_000


def test_a_lag_of_nothing_is_the_candle_itself_and_not_one_that_has_not_closed() -> None:
    with pytest.raises(ExpressionError, match=r"is 0, which is the candle itself.*1 or more"):
        parse("delay(close, 0) / close")
    with pytest.raises(ExpressionError, match="have not closed"):
        parse("delay(close, -1) / close")
