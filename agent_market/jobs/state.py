"""Start and result of each job's last run, in the store's table `jobs`: one row per (scope, name)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from agent_market.jobs.job import Job
from agent_market.store.database import Database
from agent_market.store.jobs import claim_run, note_run, runs

End = Literal["running", "done", "failed", "stopped"]
"""`running` in the store without a process that runs it: the process was killed."""


@dataclass(frozen=True, slots=True)
class JobState:
    """The newest run of a job. `done_at` is the start of the last successful run, None if there was none.

    `at` is its start by the clock; `due` is its scheduled time, None if that is `at`.
    """

    at: datetime
    end: End
    seconds: float = 0.0
    error: str = ""
    done_at: datetime | None = None
    found: Mapping[str, Any] = field(default_factory=dict)
    due: datetime | None = None


def states_of(database: Database, scope: str) -> dict[str, JobState]:
    """Return the state of every job of a bot that has ever started, by name.

    :param scope: scope of the bot's decisions.
    :raises StoreError: the store cannot be read.
    """
    return {name: _state(at, result) for name, (at, result) in runs(database, scope).items()}


def claim(database: Database, scope: str, job: Job, before: JobState | None, state: JobState) -> bool:
    """Record the start of a job.

    :returns: False if another process claimed the job since `before` was read.
    :raises StoreError: the store cannot be written.
    """
    held = runs(database, scope).get(job.name)
    if before != (None if held is None else _state(*held)):
        return False
    return claim_run(database, scope, job.name, held, state.at, _result(state))


def note(database: Database, scope: str, job: Job, state: JobState) -> None:
    """Replace the stored state of a job.

    :raises StoreError: the store cannot be written.
    """
    note_run(database, job.name, state.at, _result(state), scope)


def next_start(job: Job, state: JobState | None, retry: timedelta) -> datetime | None:
    """Return when a job starts next; None = now, because it never ran or was stopped.

    :param retry: delay after a failure or a kill, unless the next scheduled time is earlier.
    """
    if state is None or state.end == "stopped":
        return None
    following = job.when.after(state.due or state.at)
    return following if state.end == "done" else min(following, state.at + retry)


def is_due(job: Job, state: JobState | None, now: datetime, retry: timedelta) -> bool:
    """Return whether a job is due at `now`.

    A clock that jumps back does not make a calendar job run twice for one scheduled time. A run is repeated
    only if its scheduled time lies so far ahead that the clock must have been wrong (`When.most_ahead`).
    """
    start = next_start(job, state, retry)
    if state is None or start is None or start <= now:
        return True
    if state.end != "done":
        return state.at > now
    handled = state.due or state.at
    return handled > now + job.when.most_ahead(handled)


def _result(state: JobState) -> dict[str, Any]:
    return {
        "end": state.end,
        "seconds": round(state.seconds, 3),
        "error": state.error,
        "done_at": state.done_at.isoformat() if state.done_at else None,
        "due": state.due.isoformat() if state.due else None,
        "found": dict(state.found),
    }


def _state(at: datetime, result: Mapping[str, Any]) -> JobState:
    done, due = result.get("done_at"), result.get("due")
    return JobState(
        at=at,
        end=result.get("end", "failed"),
        seconds=float(result.get("seconds", 0.0)),
        error=str(result.get("error", "")),
        done_at=datetime.fromisoformat(done) if done else None,
        found=result.get("found", {}),
        due=datetime.fromisoformat(due) if due else None,
    )
