"""The few words of a system prompt that the rules obey, so that tuning a prompt has something to find.

    Emphasise: trend, momentum_24.     weight |w| + 4 (a signal that the role does not weigh has w = 0)
    Fade: stretch.                     weight -(|w| + 4): its opposite counts
    Ignore: recall.                    weight 0
    Gain: 1.5.                         the role's gain times 1.5; within [0.1, 10]

Names are those of the signals (`signals`); for the judge they are those of the agents whose views it weighs:
emphasised voices count five times, faded and ignored ones not at all.  Of two directives about one name the
later holds; a name that is none is passed over.  No other word of a system prompt changes anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Wish = Literal["emphasise", "fade", "ignore"]

MORE = 4.0
LOUDER = 5.0

_NAMES = re.compile(r"\b(emphasise|fade|ignore):\s*([a-z0-9_]+(?:\s*,\s*[a-z0-9_]+)*)\s*\.", re.IGNORECASE)
_GAIN = re.compile(r"\bgain:\s*(\d{1,3}(?:\.\d{1,6})?)\.(?!\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Directives:
    """What a prompt asks for: a wish by name, and the factor on the gain."""

    wishes: Mapping[str, Wish] = field(default_factory=dict)
    gain: float = 1.0

    def weights(self, weights: Mapping[str, float], known: Iterable[str]) -> dict[str, float]:
        """`weights` with the wishes about `known` names; a name that comes out at 0 stays, at 0."""
        changed = dict(weights)
        for name in known:
            wish = self.wishes.get(name)
            if wish is None:
                continue
            size = abs(changed.get(name, 0.0)) + MORE
            changed[name] = {"emphasise": size, "fade": -size, "ignore": 0.0}[wish]
        return changed

    def loudness(self, agent: str) -> float:
        """The factor on a voice's confidence, for the judge."""
        wish = self.wishes.get(agent)
        return 1.0 if wish is None else LOUDER if wish == "emphasise" else 0.0


NONE = Directives()


def read_directives(texts: Iterable[str]) -> Directives:
    """The directives in system prompts, in their order."""
    wishes: dict[str, Wish] = {}
    gain = 1.0
    for text in texts:
        for found in _NAMES.finditer(text):
            for name in found[2].lower().split(","):
                wishes[name.strip()] = _WISHES[found[1].lower()]
        for found in _GAIN.finditer(text):
            gain = min(max(float(found[1]), 0.1), 10.0)
    return Directives(wishes, gain) if wishes or gain != 1.0 else NONE


def without_directives(text: str) -> str:
    """`text` with every directive taken out, and no blanks left where one stood at the end."""
    return " ".join(_GAIN.sub("", _NAMES.sub("", text)).split())


_WISHES: dict[str, Wish] = {"emphasise": "emphasise", "fade": "fade", "ignore": "ignore"}
