"""When each job last ran and how that ended, in the store's table `jobs`: a row a job, `job/<name>`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from agent_market.jobs.job import Job
from agent_market.store.database import Database
from agent_market.store.jobs import note_run, runs

PREFIX = "job/"

End = Literal["running", "done", "failed", "stopped"]
"""`running` in the store and at work nowhere: the process was killed."""


@dataclass(frozen=True, slots=True)
class JobState:
    """The newest run of a job. `done_at` is the start of the last one that ended well, None if none did."""

    at: datetime
    end: End
    seconds: float = 0.0
    error: str = ""
    done_at: datetime | None = None
    found: Mapping[str, Any] = field(default_factory=dict)


def states_of(database: Database) -> dict[str, JobState]:
    """The state of every job that ever began, by name.

    :raises StoreError: the store cannot be read.
    """
    return {
        name.removeprefix(PREFIX): _state(at, result)
        for name, (at, result) in runs(database).items()
        if name.startswith(PREFIX)
    }


def note(database: Database, job: Job, state: JobState) -> None:
    """Replace what is stored of a job.

    :raises StoreError: it cannot be written.
    """
    result = {
        "end": state.end,
        "seconds": round(state.seconds, 3),
        "error": state.error,
        "done_at": state.done_at.isoformat() if state.done_at else None,
        "found": dict(state.found),
    }
    note_run(database, f"{PREFIX}{job.name}", state.at, result)


def due_at(job: Job, state: JobState | None, retry: timedelta) -> datetime | None:
    """When a job is to run next; None = now, for it never ran.

    :param retry: after a failure or a kill it is tried again so much later, if its interval is longer.
    """
    if state is None or state.end == "stopped":
        return None
    return state.at + (job.every if state.end == "done" else min(job.every, retry))


def _state(at: datetime, result: Mapping[str, Any]) -> JobState:
    done = result.get("done_at")
    return JobState(
        at=at,
        end=result.get("end", "failed"),
        seconds=float(result.get("seconds", 0.0)),
        error=str(result.get("error", "")),
        done_at=datetime.fromisoformat(done) if done else None,
        found=result.get("found", {}),
    )
