"""Runs the jobs that are due, one after the other; bot and worker share it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from agent_market.jobs.job import Job, JobContext, Stopped
from agent_market.jobs.state import JobState, due_at, note, states_of
from agent_market.store.database import Database
from agent_market.utils.redaction import Redactor

logger = logging.getLogger(__name__)

Failed = Callable[[Job, Exception], None]


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class Runner:
    """One at a time. A job that fails is noted and reported, and the next one runs."""

    def __init__(
        self,
        jobs: Sequence[Job],
        bench: Callable[[datetime], JobContext],
        failed: Failed,
        retry: timedelta,
        redactor: Redactor,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """
        :param bench: what a job works with as of a time.
        :param failed: told of each failure; it is logged already.
        :param retry: see `due_at`.
        :param redactor: keeps secrets out of what is noted.
        """
        self.jobs = tuple(jobs)
        self._bench = bench
        self._failed = failed
        self._retry = retry
        self._redactor = redactor
        self._clock = clock

    def due(self, database: Database, now: datetime | None = None) -> tuple[Job, ...]:
        """The jobs whose time has come, in their order.

        :raises StoreError: the store cannot be read.
        """
        moment = now or self._clock()
        states = states_of(database)
        found = []
        for job in self.jobs:
            state = states.get(job.name)
            at = due_at(job, state, self._retry)
            ahead = state is not None and state.at > moment  # of a clock that was ahead: for years, maybe
            if at is None or at <= moment or ahead:
                found.append(job)
        return tuple(found)

    def run_due(self) -> Iterator[tuple[Job, JobState]]:
        """Run what is due now, and give each as it ends; it ends early where the bench no longer wants work.

        :raises DataError: there is no store yet.
        :raises StoreError: the store cannot be used.
        """
        bench = self._bench(self._clock())
        for job in self.due(bench.database, bench.now):
            if not bench.wanted():
                return
            yield job, self.run(job)

    def run(self, job: Job) -> JobState:
        """Run one job now, due or not, and note how it ended.

        :raises DataError: there is no store yet.
        :raises StoreError: its end cannot be noted.
        """
        bench = self._bench(self._clock())
        before = states_of(bench.database).get(job.name)
        state = JobState(bench.now, "running")
        if before is not None:
            state = replace(state, done_at=before.done_at, found=before.found)
        note(bench.database, job, state)
        start = time.monotonic()
        try:
            found = job.run(bench)
            state = replace(state, end="done", found=found, done_at=bench.now)
        except Stopped:
            state = replace(state, end="stopped")
        except Exception as error:  # whatever one job meets, the next one runs
            logger.exception("the job %s failed", job.name)
            told = self._redactor.text(f"{type(error).__name__}: {error}")
            state = replace(state, end="failed", error=told[:500])
            self._failed(job, error)
        state = replace(state, seconds=time.monotonic() - start)
        note(bench.database, job, state)
        return state
