from __future__ import annotations

import pytest

from agent_market.memory.text.stance import Claim, digest


@pytest.mark.parametrize(
    ("text", "direction"),
    [
        ("BTC rallies after the halving", 1),
        ("BTC falls after the halving", -1),
        ("BTC does not fall after the halving", 1),
        ("buying dips works", 1),
        ("buying dips doesn't work in a crash", -1),
        ("selling rallies fails", -1),
        ("volume was thin", 0),
    ],
)
def test_direction(text: str, direction: int) -> None:
    assert Claim.of(text).direction == direction


def test_overlap_is_jaccard_of_the_words_without_the_direction() -> None:
    one, other = Claim.of("oil rises on monday"), Claim.of("oil falls on friday monday")
    assert one.words == {"oil", "mondai"}
    assert other.words == {"oil", "fridai", "mondai"}
    assert one.overlap(other) == pytest.approx(2 / 3)
    assert one.contradicts(other, 0.6)
    assert not one.contradicts(other, 0.7)
    assert not one.says_the_same(other, 0.1)


def test_case_punctuation_and_spacing_make_no_other_text() -> None:
    assert digest("RSI is low,  buy!") == digest("rsi is LOW buy")
    assert digest("rsi is low") != digest("rsi is high")
