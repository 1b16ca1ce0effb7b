"""Run the light jobs on one thread of a running bot."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from freqtrade.strategy import IStrategy

from agent_market.errors import ConfigError, DataError
from agent_market.jobs.freqtrade_db import freqtrade_trades
from agent_market.jobs.job import Job, JobContext, Tell
from agent_market.jobs.prices import prices_of_bot
from agent_market.jobs.registry import jobs_of
from agent_market.jobs.runner import Runner
from agent_market.jobs.when import Interval
from agent_market.queries.run_context import open_source
from agent_market.utils.redaction import Redactor

LOOK_S = 5.0
"""Seconds between two checks for due jobs; shorter if a job's interval is."""


class LightJobs:
    """Call it repeatedly on a separate thread. After `end` it starts no further job."""

    def __init__(self, strategy: IStrategy, tell: Tell, failed: Callable[[str, Exception], None]) -> None:
        """
        :param tell: sends an alert.
        :param failed: called with a description and the error of each failure.
        """
        self._strategy = strategy
        self._source = open_source(strategy.config)
        self._tell = tell
        try:
            self._trades = freqtrade_trades(strategy.config)
        except ConfigError as error:  # other jobs still run, and the listener mirrors the messages it gets
            tell("warning", f"cannot repair trades missed by the listener: {error}")
            self._trades = None
        self._ended = threading.Event()
        settings = self._source.settings.jobs
        jobs = jobs_of(self._source.settings, "light")
        retry = timedelta(minutes=settings.retry_minutes)
        self._runner = Runner(
            jobs,
            self._bench,
            lambda job, error: failed(f"the job {job.name} failed", error),
            retry,
            Redactor(strategy.config),
        )
        intervals = [job.when.every for job in jobs if isinstance(job.when, Interval)]
        least = min((every.total_seconds() for every in intervals), default=LOOK_S)
        self.every_s = min(LOOK_S, max(least, 0.01))

    @property
    def jobs(self) -> tuple[Job, ...]:
        return self._runner.jobs

    def __call__(self) -> None:
        """Run the jobs that are due now.

        :raises StoreError: the store cannot be used.
        """
        try:
            for _ in self._runner.run_due():
                pass
        except DataError:  # no store yet: the first decision creates it
            return

    def end(self) -> None:
        """Stop the running job at its next pause and start no further one."""
        self._ended.set()

    def _bench(self, now: datetime) -> JobContext:
        strategy = self._strategy
        return JobContext(
            source=self._source,
            pairs=tuple(strategy.dp.current_whitelist()),
            timeframe=strategy.timeframe,
            datadir=Path(strategy.config["datadir"]),
            prices=prices_of_bot(strategy),
            trades=self._trades,
            currency=str(strategy.config["stake_currency"]),
            now=now,
            tell=self._tell,
            wanted=lambda: not self._ended.is_set(),
        )
