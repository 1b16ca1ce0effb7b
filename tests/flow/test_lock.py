from __future__ import annotations

import os
import subprocess
import sys

import pytest

from agent_market.errors import FlowError
from agent_market.flow.lock import holder_of, only_flow

HOLD = (
    "import sys, time; from pathlib import Path; from agent_market.flow.lock import only_flow\n"
    "with only_flow(Path(sys.argv[1]), 'run-a'):\n"
    "    print('held', flush=True); time.sleep(60)"
)


def test_a_second_flow_is_refused_with_run_and_process_of_the_first(tmp_path):
    with only_flow(tmp_path, "run-a") as left:
        assert left is None
        assert holder_of(tmp_path) == "run-a"
        with (
            pytest.raises(FlowError, match=rf"run run-a, process {os.getpid()}\).*another `userdir`"),
            only_flow(tmp_path, "run-b"),
        ):
            pass
    assert holder_of(tmp_path) is None
    with only_flow(tmp_path, "run-b") as left:
        assert left is None


def test_the_lock_of_a_killed_process_is_recovered_and_told(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    assert holder_of(tmp_path) == "run-a"
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert holder_of(tmp_path) is None
    with only_flow(tmp_path, "run-b") as left:
        assert left == "run-a"


def test_a_flow_that_failed_leaves_no_lock_behind(tmp_path):
    with pytest.raises(ZeroDivisionError), only_flow(tmp_path, "run-a"):
        raise ZeroDivisionError
    with only_flow(tmp_path, "run-b") as left:
        assert left is None
