"""Findings of earlier rounds, point in time: an entry is shown only to decisions at or after `known_at`.

The file `feedback.jsonl` holds one JSON object a line:
`{"known_at": "2024-03-01T00:00:00Z", "round": 1, "lines": ["...", ...]}`.
"""

from __future__ import annotations

import hashlib
import logging
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from agent_market.errors import ConfigError

logger = logging.getLogger(__name__)

LONGEST_LINE = 500
"""Characters of one line; ours have about a hundred. Every prompt carries them all."""
MOST_LINES = 60
"""Lines of one entry."""
LONGEST_ENTRY = 64 * 1024
"""Bytes of an entry in the file: room for all its lines in any script, escaped."""

_SETTING = "setting `agent_market.agents.feedback_file`"


class FeedbackEntry(BaseModel):
    """What one round taught. `known_at` is the end of the span it was measured on, with a time zone."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    known_at: AwareDatetime
    round: int = Field(ge=0)
    lines: tuple[Annotated[str, Field(max_length=LONGEST_LINE)], ...] = Field(max_length=MOST_LINES)


@dataclass(frozen=True, slots=True)
class FeedbackBook:
    """Entries in the order in which they became known, then by round; prompts carry the newest `shown`."""

    entries: tuple[FeedbackEntry, ...] = ()
    shown: int = 3
    path: Path | None = field(default=None, compare=False)
    file_state: tuple[int, int] | None = field(default=None, compare=False)
    """Modification time in ns and size of the file when it was read; None where there is none."""

    @classmethod
    def of(cls, entries: Iterable[FeedbackEntry], shown: int) -> FeedbackBook:
        """A book of `entries`; a prompt carries the newest `shown` of those known."""
        return cls(tuple(sorted(entries, key=lambda entry: (entry.known_at, entry.round))), shown)

    @classmethod
    def load(cls, path: Path | None, shown: int) -> FeedbackBook:
        """Read `feedback.jsonl`. None means no feedback.

        A missing file is an empty book, for the first round has none; a missing *folder* is taken for a
        typing error. An invalid line is reported with its number and skipped.

        :raises ConfigError: the folder does not exist, or the file cannot be read.
        """
        if path is None:
            return cls(shown=shown)
        if not path.parent.is_dir():
            raise ConfigError(
                f"{_SETTING} = {path}: there is no folder {path.parent}; correct it or create it"
            )
        file_state = _file_state(path)
        if file_state is None:
            logger.info("no feedback yet: %s does not exist", path)
            return cls(shown=shown, path=path)
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise ConfigError(f"{_SETTING} = {path} cannot be read: {error}") from error
        return replace(cls.of(_entries(path, lines), shown), path=path, file_state=file_state)

    def refreshed(self) -> FeedbackBook:
        """This book with the file read again if it changed; itself if it did not.

        :raises ConfigError: as `load`.
        """
        if self.path is None or _file_state(self.path) == self.file_state:
            return self
        return FeedbackBook.load(self.path, self.shown)

    def digest(self, until: datetime | None = None) -> str:
        """Hash of the entries known by `until` (None = all); empty without any."""
        known = [entry for entry in self.entries if until is None or entry.known_at <= until]
        packed = "\n".join(entry.model_dump_json() for entry in known)
        return hashlib.sha256(packed.encode()).hexdigest()[:16] if known else ""

    def at(self, asof: datetime) -> tuple[str, ...]:
        """The lines that a decision at `asof` may see, oldest first."""
        if not self.entries:
            return ()
        known = bisect_right(self.entries, asof, key=lambda entry: entry.known_at)
        newest = self.entries[max(0, known - self.shown) : known]
        return tuple(line for entry in newest for line in entry.lines)


def _file_state(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size


def _entries(path: Path, lines: Iterable[bytes]) -> list[FeedbackEntry]:
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if len(line) > LONGEST_ENTRY:
            logger.warning(
                "%s:%d is skipped: %d bytes, and %d are allowed",
                path,
                number,
                len(line),
                LONGEST_ENTRY,
            )
            continue
        try:
            found.append(FeedbackEntry.model_validate_json(line))
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"])) or "line"
            logger.warning("%s:%d is skipped, %s: %s", path, number, where, problem["msg"])
    return found
