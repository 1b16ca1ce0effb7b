"""One spelling for text that is searched for identifiers: what looks the same is the same.

Zero-width characters, accents, full-width and mathematical letters, and letters of other alphabets that look
Latin (a Cyrillic `\u0430`) are undone.  The result is only searched, and sent only where something was found
in it: ordinary text in any language keeps its bytes.

The table of look-alikes is short on purpose: the letters with a Latin twin in common fonts.  A library
(`confusable_homoglyphs`) knows thousands of pairs but gives no common spelling for them.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_CYRILLIC = dict(
    zip(
        "\u0430\u0432\u0441\u0435\u043d\u04bb\u0456\u0458\u043a\u04cf\u043c\u043e\u0440\u0455\u0442\u0443\u0445\u0501\u051b\u051d\u0475"
        "\u0410\u0412\u0421\u0415\u041d\u0406\u0408\u041a\u041c\u041e\u0420\u0405\u0422\u0423\u0425\u050c\u051a\u051c\u0474",
        "abcehhijklmopstyxdqwvABCEHIJKMOPSTYXGQWV",
        strict=True,
    )
)
_GREEK = dict(
    zip(
        "\u03b1\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u03f2\u03f3"
        "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
        "aikvoptuxcjABEZHIKMNOPTYX",
        strict=True,
    )
)
_LATIN = dict(
    zip(
        "\u0131\u0142\u00f8\u0111\u0127\u0180\u0261\u0251\u0141\u00d8\u0110\u1d00\u0299\u1d04\u1d05\u1d07\u029c\u026a\u1d0a\u1d0b\u029f\u1d0d\u0274\u1d0f\u1d18\u0280\ua731\u1d1b\u1d1c\u1d20\u1d21\u028f\u1d22",
        "ilodhbgaLODabcdehijklmnoprstuvwyz",
        strict=True,
    )
)
_SIGNS = {"\u20bf": " BTC ", "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2212": "-"}
_TABLE = str.maketrans({**_CYRILLIC, **_GREEK, **_LATIN, **_SIGNS})
_UNSEEN = frozenset({"Mn", "Me", "Cf"})
_ROUNDS = 4


def plain_spelling(text: str) -> str:
    """`text` in one spelling; ASCII comes back as it is.

    Compatibility forms are decomposed (NFKC), accents and what cannot be seen are dropped, and look-alikes
    are their Latin twins.  Applying it twice gives the same.
    """
    if text.isascii():
        return text
    return _respelled(text)


@lru_cache(maxsize=2048)
def _respelled(text: str) -> str:
    for _ in range(_ROUNDS):
        before = text
        shown = (c for c in unicodedata.normalize("NFKD", text.translate(_TABLE)) if not _is_unseen(c))
        text = unicodedata.normalize("NFKC", "".join(shown).translate(_TABLE))
        if text == before:
            break
    return text


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN
