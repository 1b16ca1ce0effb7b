"""Words of a text as search terms: lower case, without stop words, endings stripped.

Endings go by steps 1a-1c of Porter, "An algorithm for suffix stripping" (Program 14, 1980): plurals, -ed,
-ing and a final y.  The later steps join words that mean different things to a trader ("generation",
"general"), so they are left out.
"""

from __future__ import annotations

import re
from functools import lru_cache

_WORD = re.compile(r"[a-z0-9]+")
_VOWEL = re.compile(r"[aeiou]|(?<=[^aeiou])y")
_SHORTEST_STEMMED = 3

_SAY_NOTHING = """
a an and are as at be but by for had has have he her his i if in into is it its me my of on or our she so
such that the their them then there these they this to was we were will with you your
"""
STOP_WORDS = frozenset(_SAY_NOTHING.split())
"""Words that say nothing by themselves. "not", "no", "up", "down", "over" and "under" are none: they do."""


def terms(text: str) -> tuple[str, ...]:
    """The search terms of a text, in order, with repetitions; empty if it holds none."""
    return tuple(stem(word) for word in _WORD.findall(text.lower()) if word not in STOP_WORDS)


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """A lower-case word without its ending: "rallies" and "rallied" -> "ralli", "falling" -> "fall"."""
    if len(word) < _SHORTEST_STEMMED or not word.isalpha():
        return word
    return _final_y(_past_and_progressive(_plural(word)))


def _plural(word: str) -> str:
    """Step 1a: sses -> ss, ies -> i, ss -> ss, s -> nothing."""
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _past_and_progressive(word: str) -> str:
    """Step 1b: eed -> ee; ed and ing -> nothing, then at/bl/iz regain their e and doubles are undone."""
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for ending in ("ed", "ing"):
        body = word.removesuffix(ending)
        if body != word and _VOWEL.search(body):
            break
    else:
        return word
    if body.endswith(("at", "bl", "iz")):
        return body + "e"
    if len(body) > 1 and body[-1] == body[-2] and body[-1] not in "aeioulsz":
        return body[:-1]
    return body + "e" if _measure(body) == 1 and _ends_short(body) else body


def _final_y(word: str) -> str:
    """Step 1c: y -> i where a vowel stands before it."""
    return word[:-1] + "i" if word.endswith("y") and _VOWEL.search(word[:-1]) else word


def _measure(body: str) -> int:
    """Porter's m: how many times a vowel is followed by a consonant."""
    shape = re.sub(r"v+", "v", re.sub(r"c+", "c", _shape(body)))
    return shape.count("vc")


def _ends_short(body: str) -> bool:
    """Porter's *o: consonant, vowel, consonant other than w, x, y at the end."""
    return _shape(body)[-3:] == "cvc" and body[-1] not in "wxy"


def _shape(body: str) -> str:
    shape = ""
    for letter in body:
        is_vowel = letter in "aeiou" or (letter == "y" and shape.endswith("c"))
        shape += "v" if is_vowel else "c"
    return shape
