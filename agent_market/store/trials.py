"""The trial ledger: whatever was tried on data is counted, or the best of many lucky ones looks like skill.

A study is one question asked again and again ("prompts/aggressive"), a candidate what was tried (by content
address), a sample the occasions it was tried on.  The same candidate on the same sample is one trial, however
often it is run.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Connection, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from agent_market.store.database import Database
from agent_market.store.episode_json import moment, seconds
from agent_market.store.schema import trials


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate on one sample; `results` in the order of the occasions, None where not kept."""

    study: str
    candidate: str
    sample: str
    first_at: datetime
    last_at: datetime
    observations: int
    mean: float
    deviation: float
    results: npt.NDArray[np.float32] | None = None


def sample_of(occasions: Iterable[str]) -> str:
    """The name of a sample: the sha256 of what was tried on, in order."""
    return hashlib.sha256("\n".join(occasions).encode()).hexdigest()


def trial_of(
    study: str,
    candidate: str,
    occasions: Iterable[str],
    first_at: datetime,
    last_at: datetime,
    results: npt.ArrayLike,
) -> Trial:
    """A trial from its results.

    :param occasions: ids of what it was tried on, in the order of `results`.
    :param results: (n,) finite, n >= 1; the deviation of one result is 0.
    """
    values = np.asarray(results, dtype=np.float64)
    return Trial(
        study=study,
        candidate=candidate,
        sample=sample_of(occasions),
        first_at=first_at,
        last_at=last_at,
        observations=len(values),
        mean=float(values.mean()),
        deviation=float(values.std(ddof=1)) if len(values) > 1 else 0.0,
        results=values.astype(np.float32),
    )


def record_trials(database: Database, batch: Iterable[Trial]) -> None:
    """Enter trials, one transaction; those that are in the ledger already stay as they are.

    :raises StoreError: the store cannot be written. Nothing may be promoted then: it would not be counted.
    """
    entered = list(batch)
    if not entered:
        return
    with database.begin() as connection:
        _enter(connection, entered)


def record_unless(
    database: Database,
    batch: Sequence[Trial],
    families: Iterable[str],
    stands_against: Callable[[Trial], bool],
) -> tuple[Trial, ...]:
    """Enter trials if none in the ledger stands against them; looking and entering are one transaction.

    :param batch: one or more trials of one span.
    :param families: beginnings of the names of the studies to look through, where their span overlaps.
    :return: what stands against them, in the order of time; empty, they are entered.
    :raises StoreError: the store cannot be read or written.
    """
    with database.begin() as connection:
        connection.exec_driver_sql(_ALONE[connection.dialect.name])
        found = _below(connection, families, batch[0].first_at, batch[0].last_at)
        against = tuple(trial for trial in found if stands_against(trial))
        if not against:
            _enter(connection, batch)
    return against


def trials_of(
    database: Database, study: str, first_at: datetime | None = None, last_at: datetime | None = None
) -> tuple[Trial, ...]:
    """Trials of a study whose span overlaps [first_at, last_at] (all, if not given), in the order of time."""
    with database.begin() as connection:
        return _read(connection, trials.c.study == study, first_at, last_at)


def trials_below(
    database: Database, families: Iterable[str], first_at: datetime, last_at: datetime
) -> tuple[Trial, ...]:
    """Those of all studies whose name begins with one of `families`, as `trials_of`."""
    with database.begin() as connection:
        return _below(connection, families, first_at, last_at)


_ALONE = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "LOCK TABLE trials IN SHARE ROW EXCLUSIVE MODE"}
"""Makes a second process that would enter something wait until this transaction is over."""


def _enter(connection: Connection, batch: Iterable[Trial]) -> None:
    now = int(time.time())
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    keys = ["study", "candidate", "sample"]
    rows = [_row(trial, now) for trial in batch]
    connection.execute(insert(trials).on_conflict_do_nothing(index_elements=keys), rows)


def _below(
    connection: Connection, families: Iterable[str], first_at: datetime, last_at: datetime
) -> tuple[Trial, ...]:
    begins = [trials.c.study.startswith(family, autoescape=True) for family in families]
    return _read(connection, or_(*begins), first_at, last_at)


def _read(
    connection: Connection, which: ColumnElement[bool], first_at: datetime | None, last_at: datetime | None
) -> tuple[Trial, ...]:
    query = select(trials).where(which)
    if first_at is not None:
        query = query.where(trials.c.last_at >= seconds(first_at))
    if last_at is not None:
        query = query.where(trials.c.first_at <= seconds(last_at))
    order = (trials.c.first_at, trials.c.candidate, trials.c.sample)
    return tuple(
        Trial(
            study=row.study,
            candidate=row.candidate,
            sample=row.sample,
            first_at=moment(row.first_at),
            last_at=moment(row.last_at),
            observations=row.observations,
            mean=row.mean,
            deviation=row.deviation,
            results=None if row.results is None else np.frombuffer(row.results, dtype="<f4"),
        )
        for row in connection.execute(query.order_by(*order)).all()
    )


def _row(trial: Trial, now: int) -> dict[str, object]:
    return {
        "study": trial.study,
        "candidate": trial.candidate,
        "sample": trial.sample,
        "first_at": seconds(trial.first_at),
        "last_at": seconds(trial.last_at),
        "observations": trial.observations,
        "mean": trial.mean,
        "deviation": trial.deviation,
        "results": None if trial.results is None else trial.results.astype("<f4").tobytes(),
        "created_at": now,
    }
