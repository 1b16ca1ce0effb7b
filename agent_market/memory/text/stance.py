"""What a text claims, coarsely: about which things and in which direction. To merge and mark, not to average.

Two texts *say the same* when most of their words are shared and they point the same way.  They *contradict*
each other when most of what they speak of is shared and they point in opposite ways.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from agent_market.memory.text.words import stem, terms

_SAY_GOOD = "works helps reliable safe profitable pays outperform outperforms succeeds trustworthy"
_SAY_BAD = "fails hurts unreliable dangerous unprofitable costly underperform underperforms useless misleads"
_SAY_UP = """
up upward rise rises rose risen rising rally rallies gain gains bullish bull buy long positive higher recover
recovers rebound rebounds bounce bounces increase increases
"""
_SAY_DOWN = """
down downward fall falls fell fallen falling drop drops dropped decline declines loss losses lose loses
bearish bear sell short negative lower crash crashes slump slumps decrease decreases
"""


def _stems(words: str) -> frozenset[str]:
    return frozenset(map(stem, words.split()))


_GOOD, _BAD, _UP, _DOWN = map(_stems, (_SAY_GOOD, _SAY_BAD, _SAY_UP, _SAY_DOWN))
_NEGATIONS = frozenset({"not", "no", "never", "without", "cannot", "hardly", "rarely", "neither", "nor"})
_REACH = 3


@dataclass(frozen=True, slots=True)
class Claim:
    """`words` that the text is about; `direction` +1 (good, else up), -1 (bad, else down) or 0 (neither)."""

    words: frozenset[str]
    direction: int

    @classmethod
    def of(cls, text: str) -> Claim:
        """The claim of a text, by counting words; a negation turns the three that follow.

        A text that says whether something works claims that, and then "buy" and "fall" are what it is about.
        Any other text that speaks of up or down claims a direction.
        """
        said = _signed(text)
        for good, bad in ((_GOOD, _BAD), (_UP, _DOWN)):
            balance = sum(sign * ((term in good) - (term in bad)) for term, sign in said)
            if balance:
                about = frozenset(term for term, _ in said if term not in good and term not in bad)
                return cls(about, 1 if balance > 0 else -1)
        return cls(frozenset(term for term, _ in said), 0)

    def overlap(self, other: Claim) -> float:
        """Shared words as a fraction of all words of both (Jaccard), 0 to 1; 0 if either has none."""
        union = self.words | other.words
        return len(self.words & other.words) / len(union) if self.words and other.words else 0.0

    def says_the_same(self, other: Claim, least: float) -> bool:
        """Whether both point the same way and share at least `least` of their words."""
        return self.direction == other.direction and self.overlap(other) >= least

    def contradicts(self, other: Claim, least: float) -> bool:
        """Whether they point in opposite ways and share at least `least` of their words."""
        return self.direction * other.direction < 0 and self.overlap(other) >= least


def _signed(text: str) -> list[tuple[str, int]]:
    """The terms without negations, each with -1 where one stands shortly before it, else 1."""
    said = []
    turned = 0
    for term in terms(text.replace("n't", " not")):
        if term in _NEGATIONS:
            turned = _REACH
            continue
        said.append((term, -1 if turned else 1))
        turned = max(0, turned - 1)
    return said


def content_key(text: str) -> str:
    """sha256 (hex) of a text as it stands, by which its vectors are kept."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest(text: str) -> str:
    """sha256 (hex) of a text's words in order, so case, punctuation and spacing make no other text."""
    words = "".join(c if c.isalnum() else " " for c in text.casefold()).split()
    return hashlib.sha256(" ".join(words).encode()).hexdigest()
