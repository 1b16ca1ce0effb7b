"""A running bot with open trades is killed with -9 at random moments: nothing is lost, doubled or torn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.kill_run import Report, killed_bots

KILLS = 40
RETRAINING_KILLS = 14
"""`benchmarks/kills.py` does two hundred in the same way, with `--retraining` those of the second test."""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_after_each_kill_the_store_the_trades_and_the_switches_are_as_they_were_told(tmp_path: Path) -> None:
    with killed_bots(tmp_path / "bot") as (report, kill_once):
        nothing_is_found_after(report, kill_once, KILLS)
    truth = report.truth
    assert report.kills == KILLS
    assert truth.within_a_write >= 1, "no kill struck a transaction: the test has become tame"
    assert truth.with_open_trades >= 1
    assert len(truth.rows) >= KILLS / 2
    assert sum(row.outcome is not None for row in truth.rows.values()) >= KILLS / 2
    assert len(truth.trades) >= 2
    assert truth.switched >= KILLS / 2


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_bot_killed_while_it_trains_anew_goes_on_with_whole_models_and_nets(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with killed_bots(tmp_path / "bot", seed=12, retraining=True) as (report, kill_once):
        nothing_is_found_after(report, kill_once, RETRAINING_KILLS)
    truth = report.truth
    assert truth.within_a_training >= 2, "hardly a kill struck a training: the test has become tame"
    assert truth.within_a_save >= 1
    assert truth.trained >= 3, "no model was trained anew and taken up"


def nothing_is_found_after(report: Report, kill_once: Callable[[], None], kills: int) -> None:
    for _ in range(kills):
        kill_once()
        assert report.truth.problems == []
    print(report.table())
    assert report.problems() == []
