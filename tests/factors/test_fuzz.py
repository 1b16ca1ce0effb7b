"""Expressions from nowhere: none escapes, hangs or crashes."""

from __future__ import annotations

import builtins
import time

import numpy as np
import pytest

from agent_market.errors import ExpressionError
from agent_market.factors.engine import Engine
from agent_market.factors.generate import random_factor, random_tree
from agent_market.factors.operators import OPERATORS
from agent_market.factors.parse import parse_factor
from agent_market.factors.tree import Tree, render
from agent_market.factors.types import FIELDS
from tests.helpers.factor_samples import panel

LONGEST_S = 1.0  # of this thread's own time: what other processes of the machine take is not the parser's

_PIECES = """
    ( ) , + - * / ** < > <= == and or not if else 0 1 5 24 -1 1e9 1e308 1e999 0x1f 1j '4h' "1d" . .. [ ] :
    lambda import __import__ __class__ eval exec os open for in await yield = := @ % // ~ f' \\ # ; é ª 💥
"""
TOKENS = (*FIELDS, *OPERATORS, *_PIECES.split(), "\n", "\t", " ", "\x00")
HUGE = 10**400
TRICKS = (
    f"close / {HUGE}",
    f"close / open - {HUGE}.0",
    f"delay(close, {HUGE}) / close",
    f"ts_mean(close, -{HUGE}) / close",
    f"clip(close / open, 0, {HUGE})",
    f"signed_power(close / open, -{HUGE})",
    f"{HUGE} * close / open",
    f"if_else(close > {HUGE}, 1, {HUGE})",
    "__import__('os').system('true')",
    "close.__class__.__mro__[1].__subclasses__()",
    "(lambda: open('/etc/passwd').read())()",
    "[x for x in (1).__class__.__base__.__subclasses__()]",
    "eval('1')",
    "ts_mean.__globals__",
    "at('4h'.__class__, close)",
    "f'{close}'",
    "ts_mean(close, (lambda: 5)())",
    "close if __import__('os') else open",
    "ts_mean(*[close, 5])",
    "ts_mean(**{'x': close})",
    "(y := close)",
)


def _text(random: np.random.Generator) -> str:
    """One of: characters, tokens, a trick in a frame, a deep nest, or a valid tree with an edit."""
    kind = random.integers(6)
    if kind == 0:
        return "".join(map(chr, random.integers(1, 0x2FF, random.integers(0, 60))))
    if kind == 1:
        return " ".join(random.choice(TOKENS, random.integers(1, 40)))
    if kind == 2:
        return str(random.choice(["{}", "{}/close", "zscore({}, 5)", "abs(({}))", "close/open-{}"])).format(
            random.choice(TRICKS)
        )
    if kind == 3:
        depth = int(10 ** random.uniform(0, 4))
        opening, closing = [("(", ")"), ("abs(", ")"), ("-", ""), ("[", "]"), ("not ", ""), ("{", "}")][
            random.integers(6)
        ]
        return opening * depth + "close" + closing * depth
    text = render(random_tree(random, int(random.integers(1, 25))))
    for _ in range(random.integers(0, 4)):
        place = int(random.integers(len(text) + 1))
        cut = place + int(random.integers(0, 4))
        text = text[:place] + str(random.choice(TOKENS)) * int(random.integers(2)) + text[cut:]
    return text


def _fuzz(monkeypatch: pytest.MonkeyPatch, count: int, seed: int) -> None:
    def forbidden(*arguments: object, **named: object) -> None:
        raise AssertionError("an expression was run as code")

    random = np.random.default_rng(seed)
    texts = [_text(random) for _ in range(count)]
    # Texts only: hundreds of thousands of nodes and tracebacks would be the garbage collector's to walk.
    read: list[str] = []
    slowest = 0.0
    refusals: list[tuple[str, str]] = []
    with monkeypatch.context() as patch:
        patch.setattr(builtins, "eval", forbidden)
        patch.setattr(builtins, "exec", forbidden)
        for text in texts:
            started = time.thread_time()
            try:
                parse_factor(text)
            except ExpressionError as error:
                refusals.append((error.problem, error.fix))
            else:
                read.append(text)
            slowest = max(slowest, time.thread_time() - started)
    assert slowest < LONGEST_S
    _evaluate([parse_factor(text) for text in read[::10]])
    assert all(problem and fix for problem, fix in refusals)
    assert 0.02 * count < len(read) < 0.9 * count


def _evaluate(trees: list[Tree]) -> None:
    market = panel(rows=60, pairs=3, seed=1)
    compiling = Engine(market, 1 << 20)
    for tree in trees:
        compiling.evaluate(tree)  # a kernel is compiled once for each layout of its inputs: no tree pays that
    engine = Engine(market, 1 << 20)
    for tree in trees:
        started = time.thread_time()
        assert not np.isinf(engine.evaluate(tree)).any(), tree
        assert time.thread_time() - started < LONGEST_S, tree


def test_three_thousand_texts_are_read_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _fuzz(monkeypatch, 3_000, 1)


@pytest.mark.slow
def test_a_hundred_thousand_texts_are_read_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _fuzz(monkeypatch, 100_000, 2)


def test_random_factors_evaluate_to_finite_or_nothing() -> None:
    random = np.random.default_rng(3)
    market = panel(rows=120, pairs=4, seed=2, missing=0.1)
    engine = Engine(market, 4 << 20)
    for _ in range(200):
        tree = random_factor(random, int(random.integers(2, 15)))
        assert not np.isinf(engine.evaluate(tree)).any(), tree
