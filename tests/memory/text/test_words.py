from __future__ import annotations

import pytest

from agent_market.memory.text.words import stem, terms


@pytest.mark.parametrize(
    ("word", "expected"),
    [  # the examples of Porter (1980) for steps 1a, 1b and 1c
        ("caresses", "caress"), ("ponies", "poni"), ("ties", "ti"), ("caress", "caress"), ("cats", "cat"),
        ("feed", "feed"), ("agreed", "agree"), ("plastered", "plaster"), ("bled", "bled"),
        ("motoring", "motor"), ("sing", "sing"), ("conflated", "conflate"), ("troubled", "trouble"),
        ("sized", "size"), ("hopping", "hop"), ("tanned", "tan"), ("falling", "fall"), ("hissing", "hiss"),
        ("fizzed", "fizz"), ("failing", "fail"), ("filing", "file"), ("happy", "happi"), ("sky", "sky"),
    ],
)  # fmt: skip
def test_endings_are_stripped_as_porter_says(word: str, expected: str) -> None:
    assert stem(word) == expected


def test_terms_are_words_without_stop_words_and_keep_what_turns_a_claim() -> None:
    assert terms("The RSI_14 is NOT over 70; it's up!") == ("rsi", "14", "not", "over", "70", "s", "up")
    assert terms("the of and") == ()
