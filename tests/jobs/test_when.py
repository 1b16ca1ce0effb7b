"""Calendars and intervals: time zones, daylight saving, clocks that jump, skipped days, two workers."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_market.config import AgentMarketSettings
from agent_market.errors import ConfigError
from agent_market.jobs.job import Job, JobContext
from agent_market.jobs.registry import job_table
from agent_market.jobs.runner import Runner
from agent_market.jobs.state import JobState, claim, states_of
from agent_market.jobs.when import Calendar, Interval, When, parse_when
from agent_market.store.database import Database
from agent_market.utils.redaction import Redactor
from tests.helpers.benches import bench_in, store_in

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)
RETRY = timedelta(minutes=15)
SUNDAY_EVENING = Calendar("0 20 * * 0", "Europe/Berlin")


class Worker:
    """A runner of one job that notes the `now` it was handed, on a clock that the test sets."""

    def __init__(self, folder: Path, when: When, now: datetime) -> None:
        self.now = now
        self.stood_for: list[datetime] = []
        self.broken = False
        self.database = store_in(folder)
        job = Job("job", "notes its time", "think", when, self._run)
        self.runner = Runner(
            [job],
            lambda moment: bench_in(folder, moment),
            lambda *_: None,
            RETRY,
            Redactor({}),
            lambda: self.now,
        )

    def _run(self, bench: JobContext) -> Mapping[str, Any]:
        if self.broken:
            raise RuntimeError("planted")
        self.stood_for.append(bench.now)
        return {}

    def look(self, now: datetime) -> int:
        """Look what is due at `now`; how many runs there were."""
        self.now = now
        return len(list(self.runner.run_due()))

    def walk(self, start: datetime, end: datetime, step: timedelta) -> None:
        while start <= end:
            self.look(start)
            start += step


def test_what_was_missed_runs_once_late_and_stands_for_the_time_that_was_due(tmp_path: Path) -> None:
    monday = datetime(2024, 1, 8, 9, 17, 5, tzinfo=UTC)
    worker = Worker(tmp_path, SUNDAY_EVENING, monday)
    assert worker.look(monday) == 1
    sunday = datetime(2024, 1, 7, 19, 0, tzinfo=UTC)
    assert worker.stood_for == [sunday]
    state = states_of(worker.database, "live")["job"]
    assert (state.at, state.due, state.done_at) == (monday, sunday, monday)
    assert worker.look(datetime(2024, 1, 14, 18, 59, 59, tzinfo=UTC)) == 0
    four_weeks_on = datetime(2024, 2, 7, tzinfo=UTC)
    assert worker.look(four_weeks_on) == 1
    assert worker.look(four_weeks_on + HOUR) == 0
    assert worker.stood_for[-1] == datetime(2024, 2, 4, 19, 0, tzinfo=UTC)


def test_a_skipped_day_costs_one_run_and_no_second_one(tmp_path: Path) -> None:
    worker = Worker(tmp_path, Calendar("0 3 * * *"), datetime(2024, 5, 1, 3, tzinfo=UTC))
    for day in (1, 2, 5, 6):  # the machine slept on the 3rd and 4th
        worker.walk(datetime(2024, 5, day, 2, tzinfo=UTC), datetime(2024, 5, day, 5, tzinfo=UTC), HOUR / 4)
    assert [moment.day for moment in worker.stood_for] == [30, 1, 2, 4, 5, 6]
    assert len(set(worker.stood_for)) == len(worker.stood_for)


@pytest.mark.parametrize("back", [timedelta(minutes=2), HOUR, timedelta(hours=23)])
def test_a_clock_that_jumps_back_repeats_no_time_of_a_calendar(tmp_path: Path, back: timedelta) -> None:
    due = datetime(2024, 5, 2, 3, tzinfo=UTC)
    worker = Worker(tmp_path, Calendar("0 3 * * *"), due)
    worker.look(due - HOUR)
    assert worker.look(due + timedelta(minutes=1)) == 1
    worker.walk(due - back, due + timedelta(hours=20), HOUR / 4)
    assert worker.stood_for == [due - timedelta(days=1), due]
    assert worker.look(due + timedelta(days=1)) == 1


def test_a_clock_that_was_years_ahead_stops_no_calendar_for_years(tmp_path: Path) -> None:
    worker = Worker(tmp_path, Calendar("0 3 * * *"), datetime(2034, 5, 2, 4, tzinfo=UTC))
    assert worker.look(worker.now) == 1
    today = datetime(2024, 5, 2, 4, tzinfo=UTC)
    assert worker.look(today) == 1
    assert worker.look(today + HOUR) == 0
    assert worker.stood_for[-1] == datetime(2024, 5, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (datetime(2024, 3, 31, tzinfo=BERLIN), datetime(2024, 3, 31, 1, 0, tzinfo=UTC)),  # 02:30 is skipped
        (datetime(2024, 10, 27, tzinfo=BERLIN), datetime(2024, 10, 27, 0, 30, tzinfo=UTC)),  # and comes twice
    ],
)
def test_a_time_within_a_change_of_clocks_comes_once(
    tmp_path: Path, day: datetime, expected: datetime
) -> None:
    start = day.astimezone(UTC)
    worker = Worker(tmp_path, Calendar("30 2 * * *", "Europe/Berlin"), start)
    worker.look(start)
    worker.walk(start, start + timedelta(hours=12), HOUR / 12)
    assert worker.stood_for[1:] == [expected]


@given(
    minutes=st.integers(-3_000, 3_000),
    seconds=st.integers(0, 59),
    cron=st.sampled_from(["30 2 * * *", "*/30 * * * *", "15 1-3 * * *", "0 20 * * 0", "59 23 L * *"]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    change=st.sampled_from([(3, 31), (10, 27), (3, 10), (11, 3), (4, 6), (10, 5)]),
)
def test_the_newest_time_is_the_one_with_none_after_it_up_to_now(
    minutes: int, seconds: int, cron: str, zone: str, change: tuple[int, int]
) -> None:
    now = datetime(2024, *change, tzinfo=UTC) + timedelta(minutes=minutes, seconds=seconds)
    when = Calendar(cron, zone)
    newest = when.newest(now)
    assert newest <= now < when.after(newest)


def test_a_failure_is_tried_again_for_the_same_time_until_the_next_one_comes(tmp_path: Path) -> None:
    due = datetime(2024, 5, 2, 3, tzinfo=UTC)
    worker = Worker(tmp_path, Calendar("0 3 * * *"), due)
    worker.broken = True
    assert worker.look(due) == 1
    assert worker.look(due + RETRY - timedelta(seconds=1)) == 0
    worker.broken = False
    assert worker.look(due + RETRY) == 1
    assert worker.stood_for == [due]
    assert worker.look(due + 2 * RETRY) == 0


def test_two_workers_on_one_store_do_the_same_time_once(tmp_path: Path) -> None:
    due = datetime(2024, 5, 2, 3, tzinfo=UTC)
    for day in range(5):
        now = due + timedelta(days=day)
        workers = [Worker(tmp_path, Calendar("0 3 * * *"), now) for _ in range(4)]
        threads = [threading.Thread(target=worker.look, args=(now,)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [moment for worker in workers for moment in worker.stood_for] == [now]


def test_bots_that_share_a_store_keep_their_jobs_apart(tmp_path: Path) -> None:
    now = datetime(2024, 5, 2, 3, tzinfo=UTC)
    worker = Worker(tmp_path, Interval(HOUR), now)
    other = Runner(
        worker.runner.jobs,
        lambda moment: bench_in(tmp_path, moment, memory={"scope": "second"}),
        lambda *_: None,
        RETRY,
        Redactor({}),
        lambda: now,
    )
    assert worker.look(now) == 1
    assert len(list(other.run_due())) == 1
    assert set(states_of(worker.database, "live")) == set(states_of(worker.database, "second")) == {"job"}


def test_a_claim_holds_on_postgresql_too(empty_postgres: str) -> None:
    database = Database(empty_postgres)
    now = datetime(2024, 5, 2, 3, tzinfo=UTC)
    job = Job("job", "x", "think", Interval(HOUR), lambda bench: {})
    begun, later = JobState(now, "running"), JobState(now + HOUR, "running")
    assert claim(database, "live", job, None, begun)
    assert not claim(database, "live", job, None, begun)
    assert claim(database, "live", job, begun, later)
    assert not claim(database, "live", job, begun, later)
    assert states_of(database, "live") == {"job": later}
    database.close()


# --- settings ---------------------------------------------------------------------------------------------


def times(**jobs: Any) -> dict[str, str]:
    settings = AgentMarketSettings.model_validate({"jobs": jobs})
    return {job.name: str(job.when) for job in job_table(settings)}


def test_a_user_sets_the_time_of_any_job() -> None:
    assert times()["review"] == "10 0 * * * UTC"
    chosen = times(
        timezone="Asia/Shanghai",
        when={"memory": "0 20 * * 0", "backup": "30 4 * * * UTC", "costs": "every 90 s", "graph": "off"},
    )
    assert chosen["memory"] == "0 20 * * 0 Asia/Shanghai"
    assert chosen["review"] == "10 0 * * * Asia/Shanghai"
    assert chosen["backup"] == "30 4 * * * UTC"
    assert chosen["costs"] == "every 1.5 min"
    assert "graph" not in chosen


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("61 * * * *", "Bad minute"),
        ("0 0 30 2 *", "Bad day-of-month"),
        ("0 3 * *", "5 are needed"),
        ("0 3 * * * Europe/Berln", "unknown time zone 'Europe/Berln'"),
        ("0 3 * * * ../etc", "unknown time zone"),
        ("every 5 weeks", "units: s, min, h, d"),
        ("every -1 h", "invalid interval"),
        ("every", "invalid interval"),
        ("", "5 are needed"),
    ],
)
def test_a_time_that_cannot_be_read_is_refused_with_an_example(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match="use for example") as refused:
        parse_when(text)
    assert says in str(refused.value)
    with pytest.raises(ConfigError, match=r"jobs\.when\.memory"):
        times(when={"memory": text})


def test_an_unknown_job_is_named_with_those_that_there_are() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown job in .*: memry; use one of outcomes, trades, costs, memory"
    ):
        times(when={"memry": "off"})
