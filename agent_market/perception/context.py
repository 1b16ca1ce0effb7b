"""Dated series beside the candles: fear & greed, VIX, dollar index, funding and the like.

A value belongs to a time (`time_column`) and is known only later, `known_after` that. It is used from
then until it is `max_age` old, and is absent before and after: an old value is not used.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from agent_market.config import ContextSeries
from agent_market.errors import ConfigError, DataError
from agent_market.utils.arrays import Floats, Ints

logger = logging.getLogger(__name__)


FileState = tuple[int, int]
"""Modification time in ns and size: what tells that a file has changed."""


@dataclass(frozen=True, slots=True, eq=False)
class DatedSeries:
    """One loaded series: finite values (N,) by the microsecond since the epoch at which each was known."""

    spec: ContextSeries
    path: Path
    file_state: FileState
    known_at: Ints
    values: Floats
    max_age: int
    user_data: Path

    def as_known(self, asofs: Ints) -> Floats:
        """Newest value with known_at <= asof, at most `max_age` old; NaN where there is none."""
        newest = np.searchsorted(self.known_at, asofs, side="right") - 1
        found = newest >= 0
        result = np.full(len(asofs), np.nan)
        age = asofs[found] - self.known_at[newest[found]]
        result[found] = np.where(age <= self.max_age, self.values[newest[found]], np.nan)
        return result


@dataclass(frozen=True, slots=True)
class ContextBook:
    """All context series of a run, answering what was known when. Immutable."""

    series: tuple[DatedSeries, ...]

    @classmethod
    def load(cls, series: Sequence[ContextSeries], user_data: Path) -> ContextBook:
        """Read every series from disk.

        A file is CSV, or feather where its name ends in `.feather`. Rows may be in any order; a row
        without a value is skipped; a row that is there twice counts once. Times are ISO 8601 text or
        datetimes; without a timezone they are UTC.

        Where a file cannot be read, the series' fallbacks are, in order; that is logged.

        :param user_data: where relative paths start.
        :raises DataError: a file without a fallback is missing, empty or unreadable, lacks a column, holds a
            time or a value that is none, or two different values for one time.
        :raises ConfigError: a name is given twice, or `known_after` or `max_age` is not a duration >= 0.
        """
        twice = [name for name, count in Counter(spec.name for spec in series).items() if count > 1]
        if twice:
            raise ConfigError(f"context series named twice: {', '.join(twice)}; give each its own name")
        return cls(tuple(_first(spec, user_data) for spec in series))

    def refreshed(self) -> ContextBook:
        """This book with the files that changed on disk read again; itself if none did.

        A bot that runs for weeks calls it before each candle, else its daily series go stale.  A series that
        stands on a fallback goes back to the file before it as soon as that can be read.

        :raises DataError: as `load`.
        """
        current = tuple(_again(old) for old in self.series)
        unchanged = all(new is old for new, old in zip(current, self.series, strict=True))
        return self if unchanged else ContextBook(current)

    def at(self, asof: datetime) -> dict[str, float]:
        """The value of each series as known at `asof` (timezone-aware); absent ones are left out."""
        row = self.columns(pd.DatetimeIndex([asof])).iloc[0]
        return {str(name): float(value) for name, value in row.items() if math.isfinite(value)}

    def digest(self, until: datetime | None = None) -> str:
        """Hash of the values known by `until` (None = all), with the names; empty without series."""
        if not self.series:
            return ""
        last = None if until is None else int(_microseconds(pd.DatetimeIndex([until]))[0])
        digest = hashlib.sha256()
        for one in self.series:
            known = np.ones(len(one.known_at), dtype=bool) if last is None else one.known_at <= last
            digest.update(one.spec.name.encode())
            digest.update(one.known_at[known].tobytes())
            digest.update(one.values[known].tobytes())
        return digest.hexdigest()[:16]

    def columns(self, asofs: pd.DatetimeIndex) -> pd.DataFrame:
        """The same for many times at once.

        :param asofs: (T,) timezone-aware times, in any order.
        :return: float64 (T, number of series), index `asofs`, one column a series; NaN where absent.
        :raises DataError: `asofs` has no timezone.
        """
        if asofs.tz is None:
            raise DataError("context was asked for times without a timezone; localize them to UTC")
        times = _microseconds(asofs)
        known = {one.spec.name: one.as_known(times) for one in self.series}
        return pd.DataFrame(known, index=asofs, columns=list(known), dtype=np.float64)


def _first(spec: ContextSeries, user_data: Path, known: DatedSeries | None = None) -> DatedSeries:
    """The series from the first of its files that can be read; `known` if that is the one, and unchanged."""
    problem: DataError | None = None
    for path in (user_data / spec.path, *(user_data / other for other in spec.fallbacks)):
        try:
            if known is not None and path == known.path and _file_state(spec, path) == known.file_state:
                return known
            found = _load(spec, path, user_data)
        except DataError as error:
            problem = problem or error
            continue
        if problem is not None and (known is None or known.path != path):
            logger.warning("%s; %s stands in", problem, path)
        elif known is not None and known.path != path:
            logger.warning("context series `%s` comes from %s again", spec.name, path)
        return found
    assert problem is not None
    raise problem


def _again(old: DatedSeries) -> DatedSeries:
    if not old.spec.fallbacks and _file_state(old.spec, old.path) == old.file_state:
        return old
    return _first(old.spec, old.user_data, old)


def _load(spec: ContextSeries, path: Path, user_data: Path) -> DatedSeries:
    file_state = _file_state(spec, path)
    table = _read(spec, path)
    times = _times(spec, path, table[spec.time_column])
    values = _values(spec, path, table[spec.value_column])
    kept = np.isfinite(values)
    times, values = times[kept], values[kept]
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    repeated = np.flatnonzero(np.diff(times) == 0) + 1
    _refuse_contradictions(spec, path, times, values, repeated)
    return DatedSeries(
        spec=spec,
        path=path,
        file_state=file_state,
        known_at=np.delete(times, repeated) + _duration(spec, "known_after"),
        values=np.delete(values, repeated),
        max_age=_duration(spec, "max_age"),
        user_data=user_data,
    )


def _file_state(spec: ContextSeries, path: Path) -> FileState:
    try:
        state = path.stat()
    except OSError as error:
        raise DataError(
            f"context series `{spec.name}`: cannot read {path} ({error.strerror}); "
            "put the file there or take the series out of `agent_market.perception.context`"
        ) from error
    return state.st_mtime_ns, state.st_size


def _read(spec: ContextSeries, path: Path) -> pd.DataFrame:
    try:
        table = pd.read_feather(path) if path.suffix == ".feather" else pd.read_csv(path)
    except (OSError, ValueError) as error:  # pandas and pyarrow report malformed files as ValueError
        raise DataError(f"context series `{spec.name}`: {path} cannot be read as a table: {error}") from error
    for column in (spec.time_column, spec.value_column):
        if column not in table:
            present = ", ".join(map(str, table.columns))
            raise DataError(
                f"context series `{spec.name}`: {path} has no column `{column}`; it has {present}"
            )
    if table.empty:
        raise DataError(f"context series `{spec.name}`: {path} has no rows")
    return table


def _times(spec: ContextSeries, path: Path, column: pd.Series) -> Ints:
    if pd.api.types.is_numeric_dtype(column):
        raise DataError(
            f"context series `{spec.name}`: {path} column `{spec.time_column}` holds numbers "
            f"({column.iloc[0]}), of which the unit is unknown; write times as ISO 8601 text"
        )
    times = pd.DatetimeIndex(pd.to_datetime(column, utc=True, format="ISO8601", errors="coerce"))
    _refuse(spec, path, column, np.asarray(times.isna()), "is no ISO 8601 time")
    return _microseconds(times)


def _values(spec: ContextSeries, path: Path, column: pd.Series) -> Floats:
    """Values as floats; NaN where the cell is empty."""
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    _refuse(spec, path, column, column.notna().to_numpy() & ~np.isfinite(values), "is no finite number")
    return values


def _refuse(
    spec: ContextSeries, path: Path, column: pd.Series, bad: npt.NDArray[np.bool_], what: str
) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"context series `{spec.name}`: {path} row {row + 1}, column `{column.name}`: "
            f"{column.iloc[[row]].tolist()[0]!r} {what} ({int(bad.sum())} such rows); correct or remove them"
        )


def _refuse_contradictions(
    spec: ContextSeries, path: Path, times: Ints, values: Floats, repeated: Ints
) -> None:
    """Of two different values for one time the later revision may be a leak: it is for the user to say."""
    differing = repeated[values[repeated] != values[repeated - 1]]
    if len(differing):
        at = int(differing[0])
        raise DataError(
            f"context series `{spec.name}`: {path} has both {values[at - 1]} and {values[at]} for "
            f"{pd.Timestamp(times[at], unit='us', tz='UTC').isoformat()}; keep the one that was known first"
        )


def _duration(spec: ContextSeries, key: str) -> int:
    """The setting `key` in microseconds."""
    text = getattr(spec, key)
    try:
        duration = pd.Timedelta(text)
    except ValueError as error:
        raise ConfigError(
            f"context series `{spec.name}`: `{key}` = {text!r} is not a duration; e.g. '1d'"
        ) from error
    if pd.isna(duration) or duration < pd.Timedelta(0):
        raise ConfigError(f"context series `{spec.name}`: `{key}` = {text!r} must be a duration of 0 or more")
    return int(duration / pd.Timedelta(microseconds=1))


def _microseconds(times: pd.DatetimeIndex) -> Ints:
    """Microseconds since the epoch; NaT is before all time."""
    return np.asarray(times.tz_convert("UTC").as_unit("us").asi8, dtype=np.int64)
