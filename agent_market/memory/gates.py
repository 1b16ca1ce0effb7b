"""Filters for writes to memory: reject empty, repeated and failed texts, and count rejections by rule.

`agent-market memory stats` shows the counts.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from agent_market.memory.notes import LONGEST, Note
from agent_market.memory.text.stance import Claim, digest
from agent_market.memory.text.words import terms
from agent_market.records import AgentView

Rule = Literal["failed-call", "empty", "too-long", "duplicate", "near-duplicate"]

FEWEST_WORDS = 3
NEAR = 0.9
"""Share of words from which two texts with equal numbers that point the same way are near-duplicates."""

_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rejected write: the rule, the reason in words, and the beginning of the text."""

    rule: Rule
    why: str
    sample: str


@dataclass(frozen=True, slots=True)
class _Fingerprint:
    digest: str
    claim: Claim
    numbers: frozenset[str]

    @classmethod
    def of(cls, text: str) -> _Fingerprint:
        return cls(digest(text), Claim.of(text), frozenset(t for t in terms(text) if t.isdigit()))

    def is_near(self, other: _Fingerprint) -> bool:
        """Close in words, the same in numbers and direction: "3% works" is not "5% works"."""
        return self.numbers == other.numbers and self.claim.says_the_same(other.claim, NEAR)


class NoteFilter:
    """Filter notes, comparing them with those in memory."""

    def __init__(self, held: Iterable[Note] = ()) -> None:
        """:param held: notes that are in memory."""
        self._held = [(note, _Fingerprint.of(note.text)) for note in held]

    def refusal(self, note: Note) -> Refusal | None:
        """Return why `note` is rejected; None if it is accepted.

        A duplicate has the same words and applies in the same place; a near-duplicate differs in a few.
        """
        sample = note.text[:120]
        if len(terms(note.text)) < FEWEST_WORDS:
            return Refusal("empty", f"it has fewer than {FEWEST_WORDS} meaningful words", sample)
        if len(note.text) > LONGEST:
            return Refusal("too-long", f"it has {len(note.text)} characters, more than {LONGEST}", sample)
        mine = _Fingerprint.of(note.text)
        for other, print_ in self._held:
            if other.aspects != note.aspects or other.id == note.corrects:
                continue
            if print_.digest == mine.digest:
                return Refusal("duplicate", f"note {other.id} has the same words", sample)
            if print_.is_near(mine):
                return Refusal(
                    "near-duplicate", f"note {other.id} has nearly the same text: {other.text}", sample
                )
        return None


class ViewFilter:
    """Select the views that become search texts of an episode, in order of time.

    A view that repeats one of the agent's last 64 accepted views is rejected.
    """

    def __init__(self) -> None:
        self.refused: Counter[Rule] = Counter()
        self._said: dict[str, deque[_Fingerprint]] = {}

    def refusal(self, view: AgentView) -> Refusal | None:
        """Return why this view is rejected; None if it is accepted, and then it is remembered."""
        refused = self._judge(view)
        if refused is not None:
            self.refused[refused.rule] += 1
        return refused

    def _judge(self, view: AgentView) -> Refusal | None:
        if view.abstains:
            return Refusal("failed-call", f"{view.agent} gave no view", view.abstained_reason or "")
        text = said_by(view)
        if len(terms(text)) < FEWEST_WORDS:
            return Refusal("empty", f"{view.agent} gave no reason", text[:120])
        mine = _Fingerprint.of(text)
        said = self._said.setdefault(view.agent, deque(maxlen=_REMEMBERED))
        for earlier in said:
            if earlier.digest == mine.digest:
                return Refusal("duplicate", f"{view.agent} repeats an earlier view", text[:120])
            if earlier.is_near(mine):
                return Refusal("near-duplicate", f"{view.agent} nearly repeats an earlier view", text[:120])
        said.append(mine)
        return None


def said_by(view: AgentView) -> str:
    """A view's belief and reasons as one text."""
    return " ".join(part for part in (view.belief, *view.reasons) if part)
