"""Run due jobs one after the other; used by bot and worker."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from agent_market.jobs.job import Job, JobContext, Stopped
from agent_market.jobs.state import JobState, claim, is_due, note, states_of
from agent_market.store.database import Database
from agent_market.utils.redaction import Redactor

logger = logging.getLogger(__name__)

Failed = Callable[[Job, Exception], None]


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class Runner:
    """Run one job at a time. A failure is stored and reported, and the next job runs."""

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
        :param bench: returns the job context as of a time.
        :param failed: called for each failure, after it was logged.
        :param retry: see `next_start`.
        :param redactor: removes secrets from stored errors.
        :param clock: returns the current time, timezone-aware.
        """
        self.jobs = tuple(jobs)
        self._bench = bench
        self._failed = failed
        self._retry = retry
        self._redactor = redactor
        self._clock = clock

    def due(self, database: Database, scope: str, now: datetime | None = None) -> tuple[Job, ...]:
        """Return the jobs that are due, in their order.

        :param scope: the bot's scope.
        :param now: timezone-aware; None = the clock's time.
        :raises StoreError: the store cannot be read.
        """
        moment = now or self._clock()
        states = states_of(database, scope)
        return tuple(job for job in self.jobs if is_due(job, states.get(job.name), moment, self._retry))

    def run_due(self) -> Iterator[tuple[Job, JobState]]:
        """Run the due jobs, and yield each with its state; stop early once the context is no longer `wanted`.

        :raises DataError: no store exists yet.
        :raises StoreError: the store cannot be used.
        """
        bench = self._bench(self._clock())
        for job in self.due(bench.database, bench.source.scope, bench.now):
            if not bench.wanted():
                return
            state = self.run(job, only_if_due=True)
            if state is not None:
                yield job, state

    def run(self, job: Job, only_if_due: bool = False) -> JobState | None:
        """Run one job for its newest scheduled time, and store its result.

        :param only_if_due: skip the job unless it is (still) due.
        :returns: the final state; None if the job did not run because another process claimed it.
        :raises DataError: no store exists yet.
        :raises StoreError: the result cannot be stored.
        """
        now = self._clock()
        bench = self._bench(job.when.newest(now))
        scope = bench.source.scope
        before = states_of(bench.database, scope).get(job.name)
        if only_if_due and not is_due(job, before, now, self._retry):
            return None
        state = JobState(now, "running", due=bench.now)
        if before is not None:
            state = replace(state, done_at=before.done_at, found=before.found)
        if not claim(bench.database, scope, job, before, state):
            return None
        start = time.monotonic()
        try:
            found = job.run(bench)
            state = replace(state, end="done", found=found, done_at=now)
        except Stopped:
            state = replace(state, end="stopped")
        except Exception as error:  # a failed job must not stop the next one
            logger.exception("the job %s failed", job.name)
            text = self._redactor.text(f"{type(error).__name__}: {error}")
            state = replace(state, end="failed", error=text[:500])
            self._failed(job, error)
        state = replace(state, seconds=time.monotonic() - start)
        note(bench.database, scope, job, state)
        return state
