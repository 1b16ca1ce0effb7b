"""BM25 over documents in order of time, scored as the collection stood at a moment.

A ready-made index weighs words by how many documents of the *whole* collection hold them, so a document of
the future would change the score of one of the past.  Here document frequency, number of documents and mean
length are those of the prefix that a query may see.  On a whole collection the scores are those of
`bm25s` (method "lucene"); a test holds them together.

    score(d) = sum over query terms t of  ln(1 + (N - n_t + 0.5) / (n_t + 0.5))
                                          * f / (f + k1 (1 - b + b |d| / mean |d|))

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with the
inverse document frequency of Apache Lucene, which is never negative.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


class Bm25:
    """A growing collection of documents, searched as its first `size` documents. Not thread-safe."""

    def __init__(self, k1: float = 1.5, b: float = 0.75) -> None:
        """
        :param k1: how soon a repeated term stops adding, above 0.
        :param b: how much long documents are discounted, 0 (not at all) to 1.
        """
        self._k1 = k1
        self._b = b
        self._postings: dict[str, tuple[array[int], array[int]]] = {}
        self._lengths = array("q")
        self._total = array("q", [0])

    def __len__(self) -> int:
        return len(self._lengths)

    def append(self, terms: Sequence[str]) -> None:
        """Add the next document; it may be empty."""
        place = len(self._lengths)
        for term, count in Counter(terms).items():
            places, counts = self._postings.setdefault(term, (array("q"), array("q")))
            places.append(place)
            counts.append(count)
        self._lengths.append(len(terms))
        self._total.append(self._total[-1] + len(terms))

    def scores(self, query: Sequence[str], size: int) -> npt.NDArray[np.float64]:
        """Scores (size,) of the first `size` documents, 0 or more, as if no other existed.

        A term that the query repeats counts once.
        """
        found = np.zeros(size)
        if size == 0 or self._total[size] == 0:
            return found
        lengths = np.array(self._lengths[:size], dtype=np.float64)
        discount = self._k1 * (1.0 - self._b + self._b * lengths * (size / self._total[size]))
        for term in dict.fromkeys(query):
            places, counts = self._postings.get(term, (array("q"), array("q")))
            holding = bisect_left(places, size)
            if holding == 0:
                continue
            rarity = math.log(1.0 + (size - holding + 0.5) / (holding + 0.5))
            at = np.array(places[:holding], dtype=np.intp)
            often = np.array(counts[:holding], dtype=np.float64)
            found[at] += rarity * often / (often + discount[at])
        return found
