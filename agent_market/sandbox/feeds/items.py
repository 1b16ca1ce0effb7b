"""What a feed holds, and what of it is served at a moment, faults included."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent_market.sandbox.faults import FeedFault


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One headline, one value of a series, or one date of a calendar.

    :param published: when the source made it known, epoch seconds.
    :param value: of a series; None elsewhere.
    :param starts: of a calendar: when the event takes place, epoch seconds; None elsewhere.
    """

    id: str
    published: int
    title: str
    text: str = ""
    value: float | None = None
    starts: int | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """A named feed; `items` in any order. Its path is /rss/NAME, /json/NAME or /ics/NAME."""

    name: str
    items: tuple[FeedItem, ...]


def served(feed: Feed, now: float, faults: Sequence[FeedFault]) -> list[FeedItem]:
    """The items that are out at `now` (epoch seconds), oldest first, as the faults have them.

    Which items a fault strikes depends on its style, the feed and the item alone: the same ones each time.
    """
    found: list[FeedItem] = []
    for item in sorted(feed.items, key=lambda one: (one.published, one.id)):
        struck = [fault for fault in faults if _strikes(fault, feed, item)]
        delay = max((fault.seconds for fault in struck if fault.style == "late"), default=0.0)
        if item.published + delay > now:
            continue
        shown = item
        for fault in struck:
            edited = fault.style == "edited" and item.published + delay + fault.seconds <= now
            if fault.style == "lie" or edited:
                shown = falsified(item)
        found.append(shown)
        if any(fault.style == "duplicate" for fault in struck):
            found.append(replace(shown, id=f"{item.id}-again"))
    return found


def falsified(item: FeedItem) -> FeedItem:
    """The item with another meaning under the same id and time: title denied, value of the other sign."""
    value = None if item.value is None else -item.value
    starts = None if item.starts is None else item.starts + 86_400
    return replace(item, title=f"Not true: {item.title}", value=value, starts=starts)


def _strikes(fault: FeedFault, feed: Feed, item: FeedItem) -> bool:
    key = hashlib.blake2b(f"{fault.style}/{feed.name}/{item.id}".encode(), digest_size=8).digest()
    return int.from_bytes(key, "little") / 2**64 < fault.share
