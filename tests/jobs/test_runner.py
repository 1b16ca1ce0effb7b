"""What is due runs, what fails is noted and reported, and what was killed runs again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_market.errors import DataError
from agent_market.jobs import heavy
from agent_market.jobs.job import Job, JobContext
from agent_market.jobs.runner import Runner
from agent_market.jobs.state import JobState, next_start, states_of
from agent_market.jobs.when import Interval, When
from agent_market.utils.redaction import Redactor
from tests.helpers.benches import Told, bench_in, store_in

NOW = datetime(2024, 1, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
RETRY = timedelta(minutes=15)
SECRET = {"exchange": {"secret": "planted-secret-1"}}


def a_job(name: str, run: Callable[[JobContext], Mapping[str, Any]], every: timedelta | When = HOUR) -> Job:
    return Job(
        name, "a job of a test", "light", every if not isinstance(every, timedelta) else Interval(every), run
    )


def found(**facts: Any) -> Callable[[JobContext], Mapping[str, Any]]:
    return lambda bench: facts


def broken(bench: JobContext) -> Mapping[str, Any]:
    raise ValueError("planted")


class Clocked:
    """A runner whose time the test sets."""

    def __init__(self, folder: Path, *jobs: Job) -> None:
        self.now = NOW
        self.told = Told()
        self.failures: list[str] = []
        self.database = store_in(folder)
        self.runner = Runner(
            jobs,
            lambda now: bench_in(folder, now, self.told),
            lambda job, error: self.failures.append(f"{job.name}: {error}"),
            RETRY,
            Redactor(SECRET),
            lambda: self.now,
        )

    def ran(self) -> list[str]:
        return [f"{job.name} {state.end}" for job, state in self.runner.run_due()]


def test_a_job_runs_when_its_interval_has_passed_and_not_before(tmp_path: Path) -> None:
    clocked = Clocked(tmp_path, a_job("one", found(n=1)), a_job("two", found(n=2), 2 * HOUR))
    assert clocked.ran() == ["one done", "two done"]
    assert clocked.ran() == []
    clocked.now += HOUR
    assert clocked.ran() == ["one done"]
    clocked.now += HOUR
    assert clocked.ran() == ["one done", "two done"]
    state = states_of(clocked.database, "live")["two"]
    assert (state.at, state.done_at, state.end, state.found) == (clocked.now, clocked.now, "done", {"n": 2})


def test_a_clock_that_was_years_ahead_stops_no_job_for_years(tmp_path: Path) -> None:
    clocked = Clocked(tmp_path, a_job("one", found(n=1)))
    clocked.now = NOW + timedelta(days=3_650)
    assert clocked.ran() == ["one done"]
    clocked.now = NOW
    assert clocked.ran() == ["one done"]
    assert clocked.ran() == []
    clocked.now += HOUR
    assert clocked.ran() == ["one done"]


def test_a_job_that_fails_is_noted_reported_and_tried_again_sooner_and_the_next_one_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clocked = Clocked(tmp_path, a_job("bad", broken), a_job("good", found()))
    assert clocked.ran() == ["bad failed", "good done"]
    assert clocked.failures == ["bad: planted"]
    state = states_of(clocked.database, "live")["bad"]
    assert (state.end, state.error, state.done_at) == ("failed", "ValueError: planted", None)
    assert "planted" in caplog.text
    clocked.now += RETRY - timedelta(seconds=1)
    assert clocked.ran() == []
    clocked.now += timedelta(seconds=1)
    assert clocked.ran() == ["bad failed"]


def test_a_failure_keeps_when_the_job_last_ended_well_and_what_it_found_then(tmp_path: Path) -> None:
    good = [True]

    def fickle(bench: JobContext) -> Mapping[str, Any]:
        return {"n": 1} if good[0] else broken(bench)

    clocked = Clocked(tmp_path, a_job("fickle", fickle))
    clocked.ran()
    good[0] = False
    clocked.now += HOUR
    assert clocked.ran() == ["fickle failed"]
    state = states_of(clocked.database, "live")["fickle"]
    assert (state.at, state.done_at, state.found) == (NOW + HOUR, NOW, {"n": 1})


def test_no_secret_is_noted_with_a_failure(tmp_path: Path) -> None:
    def leaky(bench: JobContext) -> Mapping[str, Any]:
        raise RuntimeError("the exchange refused planted-secret-1")

    clocked = Clocked(tmp_path, a_job("leaky", leaky))
    clocked.ran()
    assert states_of(clocked.database, "live")["leaky"].error == "RuntimeError: the exchange refused ***"


def test_a_job_that_is_told_to_end_runs_again_from_the_start_and_no_other_begins(tmp_path: Path) -> None:
    def endless(bench: JobContext) -> Mapping[str, Any]:
        clocked.told.wanted = False
        while True:
            bench.pause()

    clocked = Clocked(tmp_path, a_job("endless", endless), a_job("next", found()))
    assert clocked.ran() == ["endless stopped"]
    clocked.told.wanted = True
    assert [job.name for job in clocked.runner.due(clocked.database, "live")] == ["endless", "next"]
    assert clocked.failures == []


def test_without_a_store_there_is_nothing_to_do(tmp_path: Path) -> None:
    runner = Runner(
        [a_job("one", found())], lambda now: bench_in(tmp_path, now), lambda *_: None, RETRY, Redactor({})
    )
    with pytest.raises(DataError, match="no store yet"):
        next(iter(runner.run_due()))
    assert not (tmp_path / "agent_market.sqlite").exists()


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (None, None),
        (JobState(NOW, "done"), NOW + HOUR),
        (JobState(NOW, "failed"), NOW + RETRY),
        (JobState(NOW, "running"), NOW + RETRY),
        (JobState(NOW, "stopped"), None),
    ],
)
def test_when_a_job_is_due(state: JobState | None, expected: datetime | None) -> None:
    assert next_start(a_job("x", found()), state, RETRY) == expected
    often = a_job("x", found(), timedelta(minutes=1))
    if state is not None and state.end != "stopped":
        assert next_start(often, state, RETRY) == NOW + timedelta(minutes=1), "never later than its interval"


KILLED = """
import os, signal, sys
from pathlib import Path
from datetime import UTC, datetime, timedelta
from tests.helpers.benches import bench_in, decided, store_in
from agent_market.jobs.job import Job
from agent_market.jobs.when import Interval
from agent_market.jobs.runner import Runner
from agent_market.memory.episodic import EpisodicMemory
from agent_market.jobs import heavy
from agent_market.utils.redaction import Redactor

folder = Path(sys.argv[1])
store_in(folder, [decided(n, known=n + 12) for n in range(20)]).close()
flush = EpisodicMemory.flush

def struck(memory):
    flush(memory)
    os.kill(os.getpid(), signal.SIGKILL)

EpisodicMemory.flush = struck
job = Job("memory", "x", "search", Interval(timedelta(hours=1)), heavy.memory)
now = datetime(2024, 1, 3, tzinfo=UTC)
retry, redactor = timedelta(minutes=15), Redactor({})
Runner([job], lambda at: bench_in(folder, at), print, retry, redactor, lambda: now).run(job)
"""


def test_a_worker_killed_in_the_middle_of_a_job_leaves_a_sound_store_and_the_job_due_again(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ},
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    database = store_in(tmp_path)
    with database.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    state = states_of(database, "live")["memory"]
    assert (state.end, state.at) == ("running", NOW)
    clocked = Clocked(tmp_path, a_job("memory", heavy.memory))
    assert clocked.ran() == []
    clocked.now += RETRY
    assert clocked.ran() == ["memory done"]
    assert states_of(database, "live")["memory"].found["episodes"] == 20
