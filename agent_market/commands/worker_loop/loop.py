"""A worker's shift: look what is due, do it, say so, and end when told to."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from rich.text import Text

from agent_market.commands.worker_loop.shown import ENDS, found_words, job_table_shown
from agent_market.errors import ConfigError, DataError
from agent_market.jobs.job import Job, Lane
from agent_market.jobs.lock import is_held, only_worker
from agent_market.jobs.registry import WORKER_LANES, job_table, jobs_of
from agent_market.jobs.runner import Runner
from agent_market.jobs.state import JobState, states_of
from agent_market.jobs.worker import WorkerContext
from agent_market.utils.console import Console
from agent_market.utils.log_redaction import hide_in_logs
from agent_market.utils.redaction import Redactor

LOOK_S = 30.0
"""Seconds between two looks at what is due."""


class WorkerLoop:
    """One worker process."""

    def __init__(
        self, config: Mapping[str, Any], console: Console | None = None, lanes: Sequence[str] = ()
    ) -> None:
        """
        :param lanes: names of the lanes to work on; none = all of `WORKER_LANES`.
        :raises ConfigError: a bad setting, or an unknown lane.
        """
        self._lanes = _lanes(lanes)
        self._console = console or Console()
        self._ended = threading.Event()
        self._place = WorkerContext.of(config, self._tell, lambda: not self._ended.is_set())
        self._settings = self._place.source.settings
        self._retry = timedelta(minutes=self._settings.jobs.retry_minutes)
        hide_in_logs(config)
        jobs = jobs_of(self._settings, *self._lanes)
        self._runner = Runner(jobs, self._place.bench, lambda job, error: None, self._retry, Redactor(config))

    def show(self) -> None:
        """The table of all jobs, light ones of the bot included."""
        try:
            states = states_of(self._place.source.database, self._place.source.scope)
        except DataError:
            states = {}
        held = frozenset(lane for lane in WORKER_LANES if is_held(self._place.source.folder, lane))
        jobs, now = job_table(self._settings), datetime.now(UTC)
        self._console.print(job_table_shown(jobs, states, now, self._retry, held))

    def run(self, once: bool, only: Sequence[str] = ()) -> bool:
        """Work until told to stop, or once; whether no job failed.

        :raises ConfigError: another worker is at work on a lane, or a job of `only` is not there.
        :raises StoreError: the store cannot be used.
        """
        chosen = self._chosen(only)
        with only_worker(self._place.source.folder, self._lanes), self._told_by_signals():
            if chosen:
                return self._work(chosen, forced=True)
            if once:
                return self._due()
            names = ", ".join(job.name for job in self._runner.jobs) or "none: all are switched off"
            self._console.print(f"at work: {names}; Ctrl-C ends it", highlight=False)
            while not self._ended.is_set():
                self._due()
                self._ended.wait(LOOK_S)
            self._console.print("ended", highlight=False)
            return True

    def _due(self) -> bool:
        try:
            due = self._runner.due(self._place.source.database, self._place.source.scope)
        except DataError as error:
            self._console.print(f"nothing to do: {error}", highlight=False)
            return True
        return self._work(due)

    def _work(self, jobs: Sequence[Job], forced: bool = False) -> bool:
        """Run all, also after one that failed; whether none did."""
        ends = [self._say(job, self._run(job, forced)) for job in jobs if not self._ended.is_set()]
        return all(ends)

    def _run(self, job: Job, forced: bool) -> JobState | None:
        with self._console.status(f"{job.name}: {job.about}"):
            return self._runner.run(job, only_if_due=not forced)

    def _say(self, job: Job, state: JobState | None) -> bool:
        if state is None:  # another process was first
            return True
        word, style = ENDS[state.end]
        line = Text(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}  ")
        line.append(f"{job.name:9}", "bold").append(f" {word:8}", style).append(f" {state.seconds:6.1f} s  ")
        line.append(state.error or found_words(state.found))
        self._console.print(line, soft_wrap=True)
        return state.end != "failed"

    def _chosen(self, only: Sequence[str]) -> tuple[Job, ...]:
        jobs = {job.name: job for job in self._runner.jobs}
        for name in only:
            if name not in jobs:
                known = {job.name: job.lane for job in job_table(self._settings)}
                why = (
                    "runs in the bot"
                    if known.get(name) == "light"
                    else f"is of the lane {known[name]!r}, which --lane leaves out"
                    if name in known
                    else f"is switched off or unknown; these can run: {', '.join(jobs) or 'none'}"
                )
                raise ConfigError(f"--only {name}: the job {why}")
        return tuple(jobs[name] for name in only)

    def _tell(self, level: Literal["info", "warning", "critical"], text: str) -> None:
        self._console.print(f"{level}: {text}", highlight=False)

    @contextmanager
    def _told_by_signals(self) -> Iterator[None]:
        """The first SIGINT or SIGTERM lets the job end at its next pause; a second SIGINT ends it at once."""

        def stop(number: int, _frame: object) -> None:
            self._ended.set()
            signal.signal(signal.SIGINT, signal.default_int_handler)

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _lanes(names: Sequence[str]) -> tuple[Lane, ...]:
    unknown = [name for name in names if name not in WORKER_LANES]
    if unknown:
        why = "the lane of the bot itself" if unknown[0] == "light" else "an unknown lane"
        raise ConfigError(f"--lane {unknown[0]}: {why}; a worker's are {', '.join(WORKER_LANES)}")
    return tuple(lane for lane in WORKER_LANES if not names or lane in names)
