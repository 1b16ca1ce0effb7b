"""Text vectors without a model: hashed bag of words.

Each word (lower case, `\\w+`) adds +1 or -1 to one place of the vector, both taken from its BLAKE2b hash
(feature hashing, Weinberger et al. 2009); the sum is scaled to unit length. Word order and meaning are
lost: texts are near when they share words.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from hashlib import blake2b

DEFAULT_DIMENSIONS = 256
MOST_DIMENSIONS = 4096

_WORD = re.compile(r"\w+")


def embed(text: str, dimensions: int = DEFAULT_DIMENSIONS) -> list[float]:
    """A unit vector of `dimensions` floats; a text whose words cancel, or without any, counts as one word."""
    vector = [0.0] * dimensions
    for word in _WORD.findall(text.lower()):
        place, sign = _hash(word)
        vector[place % dimensions] += sign
    norm = math.sqrt(sum(x * x for x in vector))
    if not norm:
        place, sign = _hash(text)
        vector[place % dimensions], norm = sign, 1.0
    return [x / norm for x in vector]


@lru_cache(maxsize=65_536)
def _hash(word: str) -> tuple[int, float]:
    number = int.from_bytes(blake2b(word.encode(), digest_size=8).digest())
    return number >> 1, 1.0 if number & 1 else -1.0
