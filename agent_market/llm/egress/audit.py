"""The egress audit: the last look at a masked prompt before it leaves.

It reads the finished text, whatever its source, and knows three kinds of leak: a
symbol or name, an absolute date, an absolute price. It does not mend anything.

In the JSON block, keys and strings are read as text. A number there is a leak if its key says that it is a
price, if it is a whole number that counts seconds since the epoch, or if it is the price of the decision's
candle to six digits; numbers under 10 are left alone, for returns and indicators live there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from agent_market.llm.egress.date_price_patterns import amounts, dates
from agent_market.llm.egress.identifiers import Vocabulary, words_of
from agent_market.llm.egress.spelling import plain_spelling

REBASED = 100.0

_BLOCK = re.compile(r"```json\s*\n(.*?)\n```", re.DOTALL)
_PRICE_WORDS = frozenset({"price", "open", "high", "low", "close", "bid", "ask", "vwap", "last", "mark"})
_KEY_WORD = re.compile(r"[a-z]+")
_EPOCH = range(1_000_000_000, 2_000_000_000)
_SAME = 1e-6
_LEAST = 10.0
_FEWEST_DIGITS = 4
_MILLISECONDS = 1000
_SERIES = "context"
"""Key of the block whose keys are names of series."""


@dataclass(frozen=True, slots=True)
class Audit:
    """Reads prompts about one decision. `close` is the price that must not be in them; None = not known."""

    vocabulary: Vocabulary
    close: float | None

    def leak(self, system: str, user: str) -> str | None:
        """The first leak found, in words for a log; None when there is none."""
        return next(self._leaks(system, user), None)

    def is_silent(self, text: str) -> bool:
        """Whether a piece of text tells nothing."""
        return next(self._in_text(text, self.close), None) is None

    def _leaks(self, system: str, text: str) -> Iterator[str]:
        # The system message is the same for every decision: a number in it that equals a price is chance.
        yield from self._in_text(system, None)
        for raw in _BLOCK.findall(text):
            try:
                yield from self._in_json(orjson.loads(raw), "")
            except orjson.JSONDecodeError:
                yield from self._in_text(raw, self.close)
        yield from self._in_text(_BLOCK.sub(" ", text), self.close)

    def _in_json(self, value: Any, key: str) -> Iterator[str]:
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from self._in_text(name, self.close, is_series=key == _SERIES)
                yield from self._in_json(inner, name)
        elif isinstance(value, list):
            for inner in value:
                yield from self._in_json(inner, key)
        elif isinstance(value, str):
            yield from self._in_text(value, self.close)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield from self._in_number(value, key)

    def _in_number(self, value: float, key: str) -> Iterator[str]:
        if key.lower() in _PRICE_WORDS and value != REBASED:
            yield f"an absolute price ({key} {value:g})"
        elif isinstance(value, int) and (value in _EPOCH or value // _MILLISECONDS in _EPOCH):
            yield f"an absolute date ({key} {value})"
        elif self.close and _is_price(value, self.close):
            yield f"an absolute price ({key} {value:g})"

    def _in_text(self, text: str, close: float | None, is_series: bool = False) -> Iterator[str]:
        yield from self._in_spelling(text, close, is_series)
        plain = plain_spelling(text)
        if plain != text:
            yield from self._in_spelling(plain, close, is_series)

    def _in_spelling(self, text: str, close: float | None, is_series: bool) -> Iterator[str]:
        if is_series or not self.vocabulary.is_clean(words_of(text)):
            for hit in self.vocabulary.find(text, is_series):
                yield f"a symbol or name ({text[hit.start : hit.end]!r})"
        for date in dates(text):
            yield f"an absolute date ({text[date.start : date.end]!r})"
        for amount in amounts(text, close):
            yield f"an absolute price ({text[amount.start : amount.end]!r})"


def _is_price(value: float, close: float) -> bool:
    """With fewer than four significant digits it is as likely an index: 20 or 63."""
    digits = len(f"{value:.6f}".replace(".", "").strip("0"))
    is_same = abs(value / close - 1.0) <= _SAME
    return is_same and value >= _LEAST and value != REBASED and digits >= _FEWEST_DIGITS
