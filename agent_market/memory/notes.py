"""Notes: texts in memory with author, source and the four times."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from agent_market.memory.bitemporal import Times
from agent_market.memory.text.index import EVERYWHERE, Aspects, TextItem
from agent_market.memory.text.stance import digest

HUMAN = "human"
HUMAN_TRUST = 0.9
"""A note by a person outranks texts derived from outcomes; it can be corrected."""

LONGEST = 500
"""Characters. A lesson is a sentence or two: prompts carry several."""

_ID_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Note:
    """One taught text. `aspects` say where it applies; `trust` is 0 to 1; a pinned note comes first.

    `id` follows from the words and where they apply, so that the same note has the same id in every store.
    """

    text: str
    author: str
    times: Times
    source: str = HUMAN
    trust: float = HUMAN_TRUST
    aspects: Aspects = EVERYWHERE
    pinned: bool = False
    corrects: str | None = None

    @property
    def digest(self) -> str:
        """sha256 (hex) of the words and the aspects."""
        where = f"{self.aspects.pair}|{self.aspects.regime}|{self.aspects.strategy}"
        return hashlib.sha256(f"{digest(self.text)}|{where}".encode()).hexdigest()

    @property
    def id(self) -> str:
        return self.digest[:_ID_DIGITS]

    def ended(self, at: datetime) -> Note:
        """The note, no longer valid from `at` on."""
        return replace(self, times=replace(self.times, invalid_from=at))

    def item(self) -> TextItem:
        """The note as text recall holds it."""
        times = self.times
        return TextItem(
            id=self.id,
            text=self.text,
            known_at=int(times.known.timestamp()),
            valid_from=int(times.valid_from.timestamp()),
            invalid_from=None if times.invalid_from is None else int(times.invalid_from.timestamp()),
            trust=self.trust,
            aspects=self.aspects,
        )
