"""`agent-market worker`: what it runs, what it shows, one at a time, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from agent_market.cli import app
from agent_market.errors import ConfigError
from agent_market.jobs.lock import is_held, only_worker
from agent_market.jobs.state import states_of
from tests.helpers.benches import config_in, decided, store_in, trades_in

ALONE = "from agent_market.cli import main; main()"
PATIENCE_S = 120.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bot's user_data with config, store and trades."""
    config_in(tmp_path)
    store_in(tmp_path, [decided(2, known=14)]).close()
    trades_in(tmp_path)
    return tmp_path


def worker(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["worker", "--userdir", str(folder), *words], env={"COLUMNS": "200"})


@contextmanager
def working(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A worker in a process of its own, at work."""
    command = [sys.executable, "-u", "-c", ALONE, "worker", "--userdir", str(folder)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ}
    )
    try:
        assert process.stdout is not None
        assert "at work: memory, graph, review, backup" in process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()


def test_once_does_what_is_due_and_a_second_time_nothing(folder: Path) -> None:
    done = worker(folder, "--once")
    assert done.exit_code == 0, done.output
    for name in ("memory", "graph", "review", "backup"):
        assert f"{name:9} done" in done.output
    assert "pairs 1, episodes 1" in done.output
    states = states_of(store_in(folder), "live")
    assert {name: state.end for name, state in states.items()} == dict.fromkeys(
        ("memory", "graph", "review", "backup"), "done"
    )
    assert worker(folder, "--once").output == ""


def test_only_runs_one_job_due_or_not_and_light_ones_are_the_bots(folder: Path) -> None:
    assert worker(folder, "--only", "memory").exit_code == 0
    again = worker(folder, "--only", "memory")
    assert "memory    done" in again.output
    assert set(states_of(store_in(folder), "live")) == {"memory"}
    with pytest.raises(ConfigError, match="the job runs in the bot"):
        raise worker(folder, "--only", "outcomes").exception or AssertionError
    with pytest.raises(ConfigError, match="can run: memory, graph, review, backup"):
        raise worker(folder, "--only", "memry").exception or AssertionError


def test_the_list_shows_every_job_and_how_it_ended(folder: Path) -> None:
    fresh = worker(folder, "--list").output
    assert "at work on: no lane" in fresh
    assert fresh.count("never") == 7
    worker(folder, "--only", "review")
    (folder / "backups").write_text("in the way")
    failed = worker(folder, "--only", "backup")
    assert failed.exit_code == 1
    assert "failed" in failed.output
    shown = worker(folder, "--list").output
    (row,) = [line for line in shown.splitlines() if "│ review" in line]
    assert "think" in row
    assert "10 0 * * * UTC" in row
    assert "done" in row
    (row,) = [line for line in shown.splitlines() if "│ backup" in line]
    assert "failed" in row
    assert "in 15 min" in row


def test_without_a_store_there_is_nothing_to_do(tmp_path: Path) -> None:
    config_in(tmp_path)
    done = worker(tmp_path, "--once")
    assert (done.exit_code, done.output) == (
        0,
        "nothing to do: there is no store yet; it begins with the first decision\n",
    )
    assert worker(tmp_path, "--list").output.count("never") == 7


def test_a_config_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no config .*config\.json"):
        raise worker(tmp_path, "--once").exception or AssertionError


def test_two_workers_cannot_work_for_one_bot(folder: Path) -> None:
    place = folder / "agent_market"
    with only_worker(place, ["think"]):
        assert is_held(place, "think")
        with pytest.raises(ConfigError, match=f"process {os.getpid()}"):
            raise worker(folder, "--once").exception or AssertionError
        assert "at work on: think" in worker(folder, "--list").output
    assert not is_held(place, "think")
    assert worker(folder, "--once").exit_code == 0


def test_a_signal_ends_it_in_good_order(folder: Path) -> None:
    with working(folder) as process:
        assert process.stdout is not None
        assert "memory" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=PATIENCE_S)
        assert rest.endswith("ended\n")
        assert process.returncode == 0
    assert not is_held(folder / "agent_market", "search")


def test_a_worker_that_was_killed_leaves_no_lock_behind(folder: Path) -> None:
    with working(folder) as process:
        assert is_held(folder / "agent_market", "search")
        process.kill()
        process.wait()
    deadline = time.monotonic() + PATIENCE_S
    while is_held(folder / "agent_market", "search"):
        assert time.monotonic() < deadline
    assert worker(folder, "--once").exit_code == 0


def test_lanes_can_be_shared_by_several_workers_and_one_lane_has_one(folder: Path) -> None:
    place = folder / "agent_market"
    with only_worker(place, ["search"]):
        done = worker(folder, "--once", "--lane", "think", "--lane", "sense")
        assert done.exit_code == 0, done.output
        assert "review    done" in done.output
        assert "backup    done" in done.output
        assert "memory" not in done.output
        with pytest.raises(ConfigError, match="runs lane 'search' of this bot"):
            raise worker(folder, "--once").exception or AssertionError
        assert not is_held(place, "think"), "what was taken before the refusal is given back"
    with pytest.raises(ConfigError, match="memory: the job is of the lane 'search'"):
        raise worker(folder, "--lane", "think", "--only", "memory").exception or AssertionError
    with pytest.raises(ConfigError, match="--lane light: the lane of the bot itself"):
        raise worker(folder, "--lane", "light").exception or AssertionError
    with pytest.raises(ConfigError, match="an unknown lane; a worker's are sense, think, search"):
        raise worker(folder, "--lane", "thnik").exception or AssertionError
