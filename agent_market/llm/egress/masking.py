"""Masking: what a prompt says of the market with its name, its time and its price taken away.

A model that was trained after the decision knows what came of it, if it can tell which market and moment it
is looking at. So the traded coin becomes `ASSET`, other coins `COIN-1`, `COIN-2` in the order in which a
text names them, stable coins and currencies `CASH`, firms, people, authorities and events their kind; dates
become days before the decision, and prices are rebased so that the price at the decision is 100.
"""

from __future__ import annotations

import math
import re
from datetime import datetime
from functools import lru_cache
from itertools import count
from typing import Protocol

from agent_market.llm.answers.request import Guard
from agent_market.llm.egress.audit import Audit
from agent_market.llm.egress.date_price_patterns import Amount, amounts, dates, is_clean
from agent_market.llm.egress.identifiers import OWN, Hit, Vocabulary, words_of
from agent_market.llm.egress.spelling import plain_spelling
from agent_market.records import MarketView

BASE = 100.0
FARTHEST = 3.0
"""An amount more than so many times the price, or less than its part, is not a price: it is left out."""

WITHHELD = "[withheld]"
# What is taken out can bring together what was apart: "1 ETH March" holds a date afterwards.
_PASSES = 3


class Mask(Protocol):
    """What stands between a decision and the words of its prompts."""

    @property
    def guard(self) -> Guard | None:
        """What reads the finished prompt before it leaves; None where nothing needs to be hidden."""
        ...

    def market(self) -> dict[str, object]:
        """The block's entry about the market: which one, when, at what price, as far as it may be said."""
        ...

    def names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Names of series as the prompt may hold them."""
        ...

    def is_clean(self, text: str) -> bool:
        """Whether `text` may stand as it is, at first sight; False means that it needs a second look."""
        ...

    def text(self, text: str) -> str:
        """`text` as the prompt may hold it."""
        ...


class Disguises:
    """Gives each decision its mask."""

    def __init__(self, vocabulary: Vocabulary | None = None) -> None:
        """:param vocabulary: the names to hide; None masks nothing."""
        self._vocabulary = vocabulary

    def of(self, view: MarketView) -> Mask:
        """The mask of the decision on `view`."""
        if self._vocabulary is None:
            return OpenMask(view)
        return Disguise(self._vocabulary, view)

    def leak(self, text: str) -> str | None:
        """What in a text that every decision's prompt is to hold must not be sent; None when it may go."""
        return None if self._vocabulary is None else Audit(self._vocabulary, None).leak(text, "")


class OpenMask:
    """Everything is said."""

    __slots__ = ("_view",)
    guard = None

    def __init__(self, view: MarketView) -> None:
        self._view = view

    def market(self) -> dict[str, object]:
        view = self._view
        known: dict[str, object] = {
            "name": view.pair,
            "asof": f"{view.asof:%Y-%m-%dT%H:%MZ}",
            "timeframe": view.timeframe,
        }
        return known if view.close is None else {**known, "price": view.close}

    def names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return names

    def is_clean(self, text: str) -> bool:
        return True

    def text(self, text: str) -> str:
        return text


class Disguise:
    """Name, date and price are hidden."""

    __slots__ = ("_asof", "_close", "_own", "_vocabulary")

    def __init__(self, vocabulary: Vocabulary, view: MarketView) -> None:
        self._vocabulary = vocabulary
        self._asof: datetime = view.asof
        self._close = view.close
        self._own = base_of(view.pair)

    @property
    def guard(self) -> Guard:
        return self

    def leak(self, system: str, user: str) -> str | None:
        """What in these messages must not be sent; see `audit`."""
        return Audit(self._vocabulary, self._close).leak(system, user)

    def market(self) -> dict[str, object]:
        return {"name": OWN} if self._close is None else {"name": OWN, "price": BASE}

    def names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return _without_names(self._vocabulary, self._own, names)

    def is_clean(self, text: str) -> bool:
        return _is_clean(self._vocabulary, text)

    def text(self, text: str) -> str:
        """`text` as the prompt may hold it; withheld as a whole where what is left still tells something.

        A text in which something is found only in its plain spelling comes back in that spelling.
        """
        if _known_as_clean(self._vocabulary, text):
            return text
        audit = Audit(self._vocabulary, self._close)
        for _ in range(_PASSES):
            text = self._without_names_and_numbers(text)
            plain = plain_spelling(text)
            if plain != text:
                found = self._without_names_and_numbers(plain)
                text = text if found == plain else found
            if audit.is_silent(text):
                return text
        return WITHHELD

    def _without_names_and_numbers(self, text: str) -> str:
        return _renamed(self._vocabulary, self._own, self._without_numbers(text))

    def _without_numbers(self, text: str) -> str:
        spans = [(d.start, d.end, self._days(d.when)) for d in dates(text)]
        text = _replaced(text, spans)
        return _replaced(text, [(a.start, a.end, self._rebased(a)) for a in amounts(text, self._close)])

    def _days(self, when: datetime | None) -> str:
        if when is None:
            return "[a date]"
        days = math.floor((self._asof - when).total_seconds() / 86_400)
        return "today" if days == 0 else f"{days} days ago" if days > 0 else f"in {-days} days"

    def _rebased(self, amount: Amount) -> str:
        close = self._close
        if close is None or not close / FARTHEST <= amount.value <= close * FARTHEST:
            return "[an amount]"
        return f"[{amount.value / close * BASE:.0f}% of the price]"


def _is_clean(vocabulary: Vocabulary, text: str) -> bool:
    if plain_spelling(text) != text:
        return False
    words = words_of(text)
    return vocabulary.is_clean(words) and is_clean(text, words)


# The line of a recalled case, and what an agent said before, come back in many decisions.
_known_as_clean = lru_cache(maxsize=8192)(_is_clean)


@lru_cache(maxsize=1024)
def _without_names(vocabulary: Vocabulary, own: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Series are few and keep their names from one decision to the next. Each has a name of its own."""
    coins: dict[str, str] = {}
    masked: list[str] = []
    for name in names:
        plain = plain_spelling(name)
        plain = _replaced(plain, [(d.start, d.end, "DATE") for d in dates(plain)])
        plain = _replaced(plain, [(a.start, a.end, "AMOUNT") for a in amounts(plain, None)])
        hidden = _renamed(vocabulary, own, plain, coins, is_series=True)
        others = (f"{hidden}_{n}" for n in count(2))
        masked.append(hidden if hidden not in masked else next(n for n in others if n not in masked))
    return tuple(masked)


def _renamed(
    vocabulary: Vocabulary,
    own: str,
    text: str,
    coins: dict[str, str] | None = None,
    is_series: bool = False,
) -> str:
    """`text` without names; `coins` are the aliases given so far, and takes up new ones."""
    coins = {} if coins is None else coins

    def alias(hit: Hit) -> str:
        if not hit.is_coin:
            return hit.label
        return OWN if hit.label == own else coins.setdefault(hit.label, f"COIN-{len(coins) + 1}")

    return _replaced(text, [(hit.start, hit.end, alias(hit)) for hit in vocabulary.find(text, is_series)])


@lru_cache(maxsize=4096)
def base_of(pair: str) -> str:
    """The symbol that is traded: `BTC` of `BTC/USDT` and of `BTC/USDT:USDT`."""
    return re.split(r"[/:\-_]", pair)[0].upper()


def _replaced(text: str, spans: list[tuple[int, int, str]]) -> str:
    if not spans:
        return text
    parts: list[str] = []
    at = 0
    for start, end, word in spans:
        parts += (text[at:start], word)
        at = end
    return "".join((*parts, text[at:]))
