"""The four times of a record: when it happened, when it was known, from when to when it is true."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agent_market.records import Episode


@dataclass(frozen=True, slots=True)
class Times:
    """`event` <= `known`, as a rule; `valid_from` and `invalid_from` bound what is true (None = open end).

    A record is seen at a moment from `known` on, and only while it is valid then.
    """

    event: datetime
    known: datetime
    valid_from: datetime
    invalid_from: datetime | None = None

    def holds_at(self, asof: datetime) -> bool:
        """Whether the record is known and valid at `asof`."""
        ended = self.invalid_from is not None and self.invalid_from <= asof
        return self.known <= asof and self.valid_from <= asof and not ended


def times_of(episode: Episode, invalid_from: datetime | None = None) -> Times:
    """The times of an episode as memory recalls it: decided at `event`, known with its outcome.

    An episode without outcome has been known since it was decided, and is not recalled.

    :param invalid_from: when a human forgot it (`memory.note_store.forgotten`); None = never.
    """
    asof, outcome = episode.view.asof, episode.outcome
    return Times(asof, asof if outcome is None else outcome.known_at, asof, invalid_from)
