"""Recall by text: what is found, how it is merged and marked, and that nothing later is ever seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.config import TextSettings
from agent_market.memory.text.index import Aspects, TextIndex, TextItem

SETTINGS = TextSettings()
WORDS = (
    "rsi",
    "low",
    "buy",
    "works",
    "fails",
    "btc",
    "volume",
    "fomc",
    "crash",
    "monday",
    "eth",
    "rises",
    "not",
)


class LettersEmbedder:
    """Vectors of letter counts: texts with equal letters are alike."""

    name = "letters"
    dim = 26

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        rows = np.array(
            [[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts], dtype=np.float32
        )
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return (rows / np.where(norms == 0, 1.0, norms)).astype(np.float32).reshape(len(texts), 26)


def item(name: str, text: str, known_at: int = 1, **changes: object) -> TextItem:
    return TextItem(name, text, known_at, valid_from=changes.pop("valid_from", known_at), **changes)  # type: ignore[arg-type]


def found(
    index: TextIndex, query: str, asof: int = 100, k: int = 5, aspects: Aspects | None = None
) -> list[str]:
    return [hit.item.id for hit in index.search(query, asof, k, aspects)]


def test_the_text_with_the_rarer_word_comes_first() -> None:
    index = TextIndex(SETTINGS, None, [
        item("a", "volume was thin on monday"),
        item("b", "volume spiked at the halving"),
        item("c", "volume fell"),
    ])  # fmt: skip
    assert found(index, "halving volume")[0] == "b"
    assert found(index, "nothing of the kind") == []


def test_context_finds_a_text_that_does_not_say_it_itself() -> None:
    index = TextIndex(
        SETTINGS, None, [item("a", "it did not last", context="the rally of tuesday"), item("b", "rain")]
    )
    assert found(index, "rally") == ["a"]


def test_a_named_thing_is_found_under_its_other_name() -> None:
    index = TextIndex(SETTINGS, None, [item("a", "Bitcoin sleeps at weekends"), item("b", "gold shines")])
    hit = index.search("BTC/USDT", 100, 5)[0]
    assert hit.item.id == "a"
    assert hit.channels["turn"] == 0.0
    assert hit.channels["entities"] > 0.0


def test_a_lexical_hit_is_kept_however_unlike_its_meaning_is() -> None:
    """mem0 drops what the dense search does not find."""
    index = TextIndex(SETTINGS, LettersEmbedder(), [item("a", "zzz halving zzz zzz"), item("b", "having")])
    hits = {hit.item.id: hit for hit in index.search("halving", 100, 5)}
    assert hits["a"].channels["dense"] < hits["b"].channels["dense"]
    assert hits["a"].channels["turn"] > 0.0


def test_texts_that_say_the_same_are_one_and_the_most_trusted_stays() -> None:
    texts = [
        item("old", "buying the dip works when rsi is low", 1, trust=0.5),
        item("new", "Buying dips works when the RSI is low!", 2, trust=0.5),
        item("expert", "buying dip works, when rsi is low", 1, trust=0.9),
    ]
    hits = TextIndex(SETTINGS, None, texts).search("rsi low dip", 100, 5)
    assert [(hit.item.id, hit.merged) for hit in hits] == [("expert", ("new", "old"))]
    hits = TextIndex(SETTINGS, None, texts[:2]).search("rsi low dip", 100, 5)
    assert [(hit.item.id, hit.merged) for hit in hits] == [("new", ("old",))]


def test_texts_that_say_the_opposite_are_both_returned_and_marked() -> None:
    index = TextIndex(SETTINGS, None, [
        item("yes", "buying dips in a calm uptrend works"),
        item("no", "buying dips in a calm uptrend does not work"),
        item("other", "volume dips on monday"),
    ])  # fmt: skip
    marks = {hit.item.id: hit.contested_by for hit in index.search("buying dips uptrend", 100, 5)}
    assert marks == {"yes": ("no",), "no": ("yes",), "other": ()}
    assert index.contradicting("yes", 100) == ("no",)
    assert index.contradicting("yes", 0) == ()


def test_what_is_not_valid_or_does_not_apply_is_not_found() -> None:
    index = TextIndex(SETTINGS, None, [
        item("ended", "rsi works", 1, invalid_from=50),
        item("later", "rsi works well today", 1, valid_from=60),
        item("eth", "rsi works on this one", 1, aspects=Aspects(pair="ETH/USDT")),
    ])  # fmt: skip
    assert found(index, "rsi", 49, aspects=Aspects(pair="BTC/USDT")) == ["ended"]
    assert found(index, "rsi", 50, aspects=Aspects(pair="BTC/USDT")) == []
    assert found(index, "rsi", 60, aspects=Aspects(pair="ETH/USDT")) == ["eth", "later"]


def test_a_removed_text_is_gone_from_results_and_statistics() -> None:
    texts = [item("a", "rsi low"), item("b", "rsi high"), item("c", "volume thin")]
    index = TextIndex(SETTINGS, LettersEmbedder(), texts)
    assert index.remove("b")
    assert not index.remove("b")
    without = TextIndex(SETTINGS, LettersEmbedder(), [texts[0], texts[2]])
    assert index.search("rsi", 100, 5) == without.search("rsi", 100, 5)


def test_an_id_is_taken_once() -> None:
    with pytest.raises(ValueError, match="'a' is in the index"):
        TextIndex(SETTINGS, None, [item("a", "x"), item("a", "y", 2)])


TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=7).map(" ".join)
HISTORIES = st.lists(
    st.tuples(
        TEXTS, TEXTS, st.integers(0, 12), st.integers(0, 4), st.none() | st.integers(1, 8), st.floats(0, 1)
    ),
    min_size=1,
    max_size=14,
)


def _items(history: list[tuple[str, str, int, int, int | None, float]]) -> list[TextItem]:
    return [
        TextItem(
            str(n), text, known, known + after, None if ends is None else known + after + ends, around, trust
        )
        for n, (text, around, known, after, ends, trust) in enumerate(history)
    ]


@pytest.mark.parametrize("embedder", [None, LettersEmbedder()])
@settings(max_examples=150)
@given(history=HISTORIES, query=TEXTS, asof=st.integers(-1, 14), k=st.integers(1, 6), data=st.data())
def test_nothing_known_later_is_found_scored_or_counted(
    embedder: LettersEmbedder | None,
    history: list[tuple[str, str, int, int, int | None, float]],
    query: str,
    asof: int,
    k: int,
    data: st.DataObject,
) -> None:
    items = _items(history)
    arriving = TextIndex(SETTINGS, embedder)
    for one in data.draw(st.permutations(items)):
        arriving.add(one)
    hits = arriving.search(query, asof, k)
    assert all(hit.item.known_at <= asof and hit.item.is_valid_at(asof) for hit in hits)
    known = {one.id for one in items if one.known_at <= asof}
    assert all(known.issuperset(hit.merged + hit.contested_by) for hit in hits)
    cut = TextIndex(SETTINGS, embedder, [one for one in items if one.known_at <= asof])
    assert cut.search(query, asof, k) == hits
