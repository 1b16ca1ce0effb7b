"""News from files: what was known of the market, or of one asset, at a moment.

A file is JSON lines, one item a line:
`{"known_at": "2024-03-01T09:30:00Z", "title": "...", "assets": ["BTC"]}`,
or CSV with the columns `known_at`, `title` and `assets` (symbols separated by spaces). `known_at` is when a
bot could have read the item, not when it happened. An item without assets is about the whole market.
A file may grow; a line that is there must never change, or backtests over it see another past.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from agent_market.config import NewsSettings
from agent_market.errors import ConfigError, DataError
from agent_market.records import Headline

_SETTING = "`agent_market.perception.news`"

FileState = tuple[int, int]
"""Modification time in ns and size: what tells that a file has changed."""


class NewsItem(BaseModel):
    """One item: when a bot could have known it (UTC), what it says, and the assets it is about.

    `assets` are symbols as in pairs (`BTC` of BTC/USDT), in upper case; empty = the whole market.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    known_at: datetime
    title: str = Field(min_length=1)
    assets: tuple[str, ...] = ()

    @field_validator("known_at", mode="before")
    @classmethod
    def _is_a_moment(cls, value: Any) -> Any:
        # A day alone would be read as its midnight, hours before the news; a number has no known unit.
        if isinstance(value, datetime) or (isinstance(value, str) and ":" in value):
            return value
        raise ValueError("needs date and time in ISO 8601, as 2024-03-01T09:30:00Z")

    @field_validator("known_at")
    @classmethod
    def _in_utc(cls, value: datetime) -> datetime:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    @field_validator("title")
    @classmethod
    def _on_one_line(cls, value: str) -> str:
        return " ".join(value.split())

    @field_validator("assets", mode="before")
    @classmethod
    def _symbols(cls, value: Any) -> Any:
        listed = value.split() if isinstance(value, str) else value or ()
        return tuple(sorted({str(symbol).upper() for symbol in listed}))

    def is_about(self, asset: str) -> bool:
        """Whether it concerns `asset` (upper case), alone or as a part of the market."""
        return not self.assets or asset in self.assets


@dataclass(frozen=True, slots=True)
class NewsBook:
    """All news of a run, answering what was known when. Immutable.

    `items` are in the order in which they became known. One is used until it is `max_age` old, and at most
    `most` of them at once.
    """

    items: tuple[NewsItem, ...] = ()
    max_age: timedelta = timedelta(days=1)
    most: int = 8
    files: tuple[tuple[Path, FileState], ...] = field(default=(), compare=False)

    @classmethod
    def of(
        cls,
        items: Iterable[NewsItem],
        max_age: timedelta,
        most: int = 8,
        files: Sequence[tuple[Path, FileState]] = (),
    ) -> NewsBook:
        """A book of `items`, in any order; one that is there twice counts once."""
        ordered = sorted(set(items), key=lambda item: (item.known_at, item.title, item.assets))
        return cls(tuple(ordered), max_age, most, tuple(files))

    @classmethod
    def load(cls, settings: NewsSettings, user_data: Path, most: int = 8) -> NewsBook:
        """Read the files of the settings; a book without files is empty.

        :param user_data: where relative paths start.
        :param most: how many headlines a decision is given, newest first.
        :raises DataError: a file cannot be read, or a line of it is invalid.
        :raises ConfigError: `max_age` is not a duration of 0 or more.
        """
        read: list[NewsItem] = []
        files: list[tuple[Path, FileState]] = []
        for path in (user_data / file for file in settings.files):
            files.append((path, _file_state(path)))
            read += _items(path)
        return cls.of(read, _duration(settings.max_age), most, files)

    def refreshed(self) -> NewsBook:
        """This book with the files read again if one changed; itself if none did.

        :raises DataError: as `load`.
        """
        if all(_file_state(path) == state for path, state in self.files):
            return self
        read: list[NewsItem] = []
        files: list[tuple[Path, FileState]] = []
        for path, _ in self.files:
            files.append((path, _file_state(path)))
            read += _items(path)
        return NewsBook.of(read, self.max_age, self.most, files)

    def at(self, asof: datetime) -> tuple[NewsItem, ...]:
        """Items known at `asof` (timezone-aware) and at most `max_age` old, newest first."""
        return tuple(self._newest_first(asof))

    def headlines(self, pair: str, asof: datetime) -> tuple[Headline, ...]:
        """The newest of them about the traded asset of `pair` or the whole market, at most `most`."""
        asset = pair.split("/", maxsplit=1)[0].upper()
        found: list[Headline] = []
        for item in self._newest_first(asof):
            if len(found) == self.most:
                break
            if item.is_about(asset):
                found.append(Headline(item.known_at, item.title))
        return tuple(found)

    def digest(self, until: datetime | None = None) -> str:
        """Hash of the items known by `until` (None = all); empty without any."""
        end = len(self.items) if until is None else self._known(until)
        packed = "\n".join(item.model_dump_json() for item in self.items[:end])
        return hashlib.sha256(packed.encode()).hexdigest()[:16] if end else ""

    def _newest_first(self, asof: datetime) -> Iterator[NewsItem]:
        for place in range(self._known(asof) - 1, -1, -1):
            item = self.items[place]
            if asof - item.known_at > self.max_age:
                return
            yield item

    def _known(self, asof: datetime) -> int:
        return bisect_right(self.items, asof, key=lambda item: item.known_at)


def _file_state(path: Path) -> FileState:
    try:
        state = path.stat()
    except OSError as error:
        raise DataError(
            f"news file {path} cannot be read ({error.strerror}); put the file there or take it out of "
            f"{_SETTING}.files"
        ) from error
    return state.st_mtime_ns, state.st_size


def _items(path: Path) -> Iterator[NewsItem]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"news file {path} cannot be read as UTF-8 text: {error}") from error
    if path.suffix == ".csv":
        rows: Iterable[tuple[int, Any]] = _csv_rows(path, text)
    elif path.suffix in (".jsonl", ".ndjson"):
        rows = _json_rows(path, text)
    else:
        raise DataError(f"news file {path} has the ending {path.suffix!r}; use .jsonl or .csv")
    for number, row in rows:
        try:
            yield NewsItem.model_validate(row)
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"])) or "line"
            raise DataError(
                f"news file {path} line {number}: {where}: {problem['msg']}; got "
                f"{str(problem['input'])[:80]!r}; correct or remove the line"
            ) from error


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines) and not line.endswith("\n"):
                return  # the writer has not finished the line
            raise DataError(
                f"news file {path} line {number} is not a JSON object ({error}); correct or remove the line"
            ) from error


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    absent = [name for name in ("known_at", "title") if name not in (reader.fieldnames or ())]
    if absent and text.strip():
        raise DataError(
            f"news file {path} has no column {', '.join(absent)}; its first line is "
            f"{','.join(reader.fieldnames or ())!r}"
        )
    for row in reader:
        yield reader.line_num, row


def _duration(text: str) -> timedelta:
    try:
        duration = pd.Timedelta(text)
    except ValueError as error:
        raise ConfigError(f"{_SETTING}.max_age = {text!r} is not a duration; use for example '1d'") from error
    if pd.isna(duration) or duration < pd.Timedelta(0):
        raise ConfigError(f"{_SETTING}.max_age = {text!r} must be a duration of 0 or more")
    return duration.to_pytimedelta()
