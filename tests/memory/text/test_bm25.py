from __future__ import annotations

import math

import bm25s
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.memory.text.bm25 import Bm25

DOCUMENTS = st.lists(st.lists(st.sampled_from("abcdef"), max_size=8), min_size=1, max_size=20)
QUERIES = st.lists(st.sampled_from("abcdefg"), max_size=5)


def test_a_score_worked_out_by_hand() -> None:
    index = Bm25(k1=1.5, b=0.75)
    for words in (["rsi", "low"], ["rsi", "rsi", "high", "now"], ["volume"]):
        index.append(words)
    # N = 3, two hold "rsi": idf = ln(1 + 1.5 / 2.5); mean length 7 / 3
    idf = math.log(1.6)
    first = idf * 1 / (1 + 1.5 * (0.25 + 0.75 * 2 / (7 / 3)))
    second = idf * 2 / (2 + 1.5 * (0.25 + 0.75 * 4 / (7 / 3)))
    assert index.scores(["rsi"], 3) == pytest.approx([first, second, 0.0], rel=1e-12)
    # As it stood with two documents both held it: idf = ln(1 + 0.5 / 2.5), mean length 3
    idf = math.log(1.2)
    first = idf * 1 / (1 + 1.5 * (0.25 + 0.75 * 2 / 3))
    assert index.scores(["rsi"], 2)[0] == pytest.approx(first, rel=1e-12)


@given(documents=DOCUMENTS, query=QUERIES, data=st.data())
def test_later_documents_change_no_score(
    documents: list[list[str]], query: list[str], data: st.DataObject
) -> None:
    size = data.draw(st.integers(0, len(documents)))
    whole, cut = Bm25(), Bm25()
    for n, words in enumerate(documents):
        whole.append(words)
        if n < size:
            cut.append(words)
    assert np.array_equal(whole.scores(query, size), cut.scores(query, size))


@given(
    documents=st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=8), min_size=1, max_size=20)
)
def test_on_a_whole_collection_it_equals_bm25s(documents: list[list[str]]) -> None:
    index = Bm25()
    for words in documents:
        index.append(words)
    peer = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
    peer.index(documents, show_progress=False)
    known = sorted({word for words in documents for word in words})
    assert index.scores(known, len(documents)) == pytest.approx(peer.get_scores(known), rel=1e-4, abs=1e-6)


def test_an_empty_collection_and_empty_texts_score_nothing() -> None:
    index = Bm25()
    assert index.scores(["a"], 0).tolist() == []
    index.append([])
    assert index.scores(["a"], 1).tolist() == [0.0]
