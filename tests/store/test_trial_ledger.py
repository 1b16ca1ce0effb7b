"""The trial ledger: everything counted, nothing twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from agent_market.store.database import Database
from agent_market.store.trials import Trial, record_trials, trial_of, trials_of

START = datetime(2024, 1, 1, tzinfo=UTC)


def a_trial(candidate: str = "c1", first: int = 0, study: str = "prompts/aggressive") -> Trial:
    begin = START + timedelta(days=first)
    ids = [f"BTC@{first}", f"BTC@{first + 1}", f"BTC@{first + 2}"]
    return trial_of(study, candidate, ids, begin, begin + timedelta(days=2), [0.25, -0.5, 1.0])


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path}/store.sqlite")


def test_a_trial_reads_back_with_its_figures_and_results(database: Database) -> None:
    record_trials(database, [a_trial()])
    (read,) = trials_of(database, "prompts/aggressive")
    assert (read.observations, read.mean) == (3, 0.25)
    # Differences from 0.25 are 0, -0.75 and 0.75: the sum of squares is 1.125, over 2.
    assert read.deviation == pytest.approx(0.75)
    assert read.results is not None
    np.testing.assert_array_equal(read.results, np.array([0.25, -0.5, 1.0], dtype=np.float32))
    assert (read.first_at, read.last_at) == (START, START + timedelta(days=2))


def test_the_same_candidate_on_the_same_occasions_is_one_trial(database: Database) -> None:
    record_trials(database, [a_trial(), a_trial()])
    record_trials(database, [a_trial(), a_trial("c2"), a_trial(first=10)])
    assert len(trials_of(database, "prompts/aggressive")) == 3


def test_trials_are_found_by_study_and_by_overlap_in_time(database: Database) -> None:
    record_trials(database, [a_trial(), a_trial(first=10), a_trial(study="factors")])
    at = [START + timedelta(days=day) for day in (3, 9, 12, 20)]
    assert len(trials_of(database, "prompts/aggressive")) == 2
    assert trials_of(database, "prompts/aggressive", at[0], at[1]) == ()
    assert len(trials_of(database, "prompts/aggressive", at[1], at[3])) == 1
    assert len(trials_of(database, "prompts/aggressive", START, at[2])) == 2
    assert len(trials_of(database, "factors")) == 1


def test_nothing_tried_is_nothing_entered(database: Database) -> None:
    record_trials(database, [])
    assert trials_of(database, "prompts/aggressive") == ()
