"""Dates and prices in free text: where they stand, and what they say."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from agent_market.llm.egress.identifiers import words_of

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:t(?:ember)?)?"
    r"|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_YEAR = r"(?:19[89]\d|20[0-4]\d)"
# A count of something, or a percentage, is neither a year nor a price.
_COUNTED = (
    r"(?![\s-]?(?:%|(?:day|hour|candle|case|decision|opinion|trade|outcome|view|round|value|token)s?\b))"
)
_DATE = re.compile(
    rf"(?P<iso>(?<!\d){_YEAR}-\d{{2}}(?:-\d{{2}})?(?:[T ]\d{{2}}:\d{{2}}(?::\d{{2}})?(?:\.\d+)?Z?)?(?!\d))"
    rf"|(?P<compact>(?<![\w.]){_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d|\.\d))"
    rf"|(?P<dashes>(?<![\w.\-])\d{{1,2}}-\d{{1,2}}-{_YEAR}(?!\d))"
    rf"|(?P<glued>(?<![A-Za-z0-9])(?:\d{{1,2}}[-/.]?)?(?i:{_MONTH})[-/.']?(?:\d{{1,2}}[-/.,])?(?:{_YEAR}|\d{{2}})(?!\d|\.\d|%))"
    rf"|(?P<slashes>(?<![\d.])\d{{1,4}}(?P<sign>[/.])\d{{1,2}}(?P=sign)(?:{_YEAR}|\d{{2}})(?![\d.%]))"
    rf"|(?P<month_first>\b{_MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?(?:,?\s+{_YEAR})?(?![\d%]|\.\d))"
    rf"|(?P<day_first>(?<![\w.\-])\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?\b)"
    rf"|(?P<month_year>\b{_MONTH}\s+{_YEAR}(?!\d))"
    rf"|(?P<epoch>(?<![\d.])1\d{{9}}(?:\d{{3}})?(?![\d.]))"
    rf"|(?P<year>(?<![\w.,$€£¥+\-]){_YEAR}(?:s\b)?(?![\d%]|[.,]\d){_COUNTED})"
)
_AMOUNT = re.compile(
    r"(?P<sign>[$€£¥₿]\s?)?(?P<number>(?<![\w.,])\d++(?:,\d{3})*+(?:\.\d++)?+)"
    r"(?P<power>[eE][+-]?\d{1,3}(?![\w.]))?"
    r"(?P<scale>\s?(?:k|K|m|M|bn?|B|thousand|million|billion|trillion)\b)?"
    r"(?P<unit>\s?(?:USDT|USDC|USD|BUSD|EUR|dollars?|euros?|bucks)\b)?" + _COUNTED
)
# Without any of these words, and without a number of two digits before the point, there is neither.
_SUSPECT_WORDS = frozenset(
    word.encode()
    for word in (
        *_MONTHS,
        *(month[:3] for month in _MONTHS),
        *("sept", "k", "m", "b", "bn", "thousand", "million", "billion", "trillion"),
        *("usd", "usdt", "usdc", "busd", "eur", "dollar", "dollars", "euro", "euros", "bucks"),
    )
)
_ENDINGS = (
    *("k", "m", "b", "bn", "st", "nd", "rd", "th", "thousand", "million", "billion", "trillion"),
    *("usd", "usdt", "usdc", "busd", "eur", "dollar", "dollars", "euro", "euros", "bucks"),
)
# "5usd", "12k", "3rd", "63e3", "5mar": what stands behind a number that is glued to it; and "mar24".
_GLUED = re.compile(
    rb"(?<![^ ])(?:\d+(?:"
    + "|".join(_ENDINGS).encode()
    + rb"|e\d*)|\d*(?:"
    + "|".join(month[:3] for month in _MONTHS).encode()
    + rb")[a-z]*\d*)(?![^ ])"
)
# An underscore counts as a point: the number in `return_24` is part of a name.
_TO_NUMBERS = bytes(
    i if chr(i) in "0123456789./$" else ord("." if chr(i) == "_" else "$" if i > 127 else " ")
    for i in range(256)
)
_MARKS = re.compile(rb"\$|(?<![\d.])\d\d|/\d|\d\.\d+\.\d")
_SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "bn": 1e9, "billion": 1e9}
_ISO_DATE = 10
_PLAIN_TOLERANCE = 2e-3
_ROUNDED_TOLERANCE = 5e-2
_FEWEST_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Moment:
    """A date at `start` to `end` of a text; `when` is None where it is not a whole date."""

    start: int
    end: int
    when: datetime | None


@dataclass(frozen=True, slots=True)
class Amount:
    """A price or an amount of money at `start` to `end` of a text."""

    start: int
    end: int
    value: float


def is_clean(text: str, words: Collection[bytes] | None = None) -> bool:
    """Whether neither a date nor an amount can be in `text`; False means that one may be.

    :param words: `words_of(text)`, if they are at hand.
    """
    words = words_of(text) if words is None else words
    if not _SUSPECT_WORDS.isdisjoint(words) or _GLUED.search(b" ".join(words)):
        return False
    return _MARKS.search(b" ".join(text.encode("utf-8", "replace").translate(_TO_NUMBERS).split())) is None


def dates(text: str) -> Iterator[Moment]:
    """Absolute dates in `text`, from left to right."""
    for match in _DATE.finditer(text):
        yield Moment(match.start(), match.end(), _when(match))


def amounts(text: str, close: float | None) -> Iterator[Amount]:
    """Amounts of money, and bare numbers that are the price `close` to within two in a thousand.

    A bare number needs three digits and 10 to count; "43k" is a rounded price, to within five in a hundred.
    """
    for match in _AMOUNT.finditer(text):
        digits = match["number"].replace(",", "")
        value = float(digits + (match["power"] or "")) * _SCALES.get(
            (match["scale"] or "").strip().lower(), 1.0
        )
        if match["sign"] or match["unit"] or (close is not None and _is_price(match, digits, value, close)):
            yield Amount(match.start(), match.end(), value)


def _is_price(match: re.Match[str], digits: str, value: float, close: float) -> bool:
    if match["scale"] or match["power"]:
        return abs(value / close - 1.0) <= _ROUNDED_TOLERANCE
    significant = len(digits.replace(".", "").strip("0"))
    return value >= 10 and significant >= _FEWEST_DIGITS and abs(value / close - 1.0) <= _PLAIN_TOLERANCE


def _when(match: re.Match[str]) -> datetime | None:
    text = match.group()
    try:
        if match["iso"] and len(text) >= _ISO_DATE:
            return datetime.strptime(text[:_ISO_DATE], "%Y-%m-%d").replace(tzinfo=UTC)
        if match["month_first"] or match["day_first"]:
            return _spelled(text)
    except ValueError:
        return None
    return None


def _spelled(text: str) -> datetime | None:
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    word = next(word for word in re.findall(r"[A-Za-z]{3,}", text))[:3].lower()
    if len(numbers) != 2:  # without a year it is not a whole date
        return None
    month = next(i for i, name in enumerate(_MONTHS, start=1) if name.startswith(word))
    return datetime(numbers[1], month, numbers[0], tzinfo=UTC)
