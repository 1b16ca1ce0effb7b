"""Walking a pair through time: nothing seen too early, nothing lost, the same however it is cut."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_market.config import (
    AgentMarketSettings,
    AgentSettings,
    CalibrationSettings,
    DebateSettings,
    DecisionSettings,
    MemorySettings,
)
from agent_market.decision.calibration import DecisionCalibrator
from agent_market.errors import StoreFull
from agent_market.pipeline.session import close_times
from agent_market.records import Episode
from agent_market.store.database import Database
from agent_market.store.episodes import debated, episodes_of, read_debate, write_episodes
from tests.helpers.scripted import (
    HOUR,
    ScriptedAnswers,
    candle_arrays,
    make_session,
    part,
    random_candles,
    rows_of,
)

HOURS = 700
FIRST = 450
START = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=FIRST)
SETTINGS = AgentMarketSettings(
    agents=AgentSettings(debate=DebateSettings(mode="auto")),
    decision=DecisionSettings(cadence_candles=6, horizon_candles=4, gate_min_candles=2),
    memory=MemorySettings(k=4, k_max=6, min_neighbours=3),
    calibration=CalibrationSettings(window=20, least_fitted=20, refit_every=4),
)


def walk(
    candles: pd.DataFrame,
    cuts: Sequence[int] = (),
    answers: ScriptedAnswers | None = None,
    rewinding: bool = True,
    settings: AgentMarketSettings | None = None,
) -> tuple[tuple[Episode, ...], pd.DataFrame]:
    """All decisions and columns of one run, in windows that end at `cuts`.

    Each window is rewound to, as after windows from FreqAI's cache, or walked into from the one before.
    """
    rows = rows_of(candles)
    arrays = candle_arrays(candles)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/store.sqlite")
        session = make_session(database, settings or SETTINGS, answers=answers)
        frames = []
        edges = [FIRST, *cuts, len(candles)]
        for start, stop in itertools.pairwise(edges):
            window = part(rows, start, stop)
            first = int(window.closes_s[0])
            assert session.stands_at(first) is (start != FIRST)
            if rewinding or start == FIRST:
                session.rewind(datetime.fromtimestamp(first, tz=UTC))
            session.advance(window, arrays)
            frames.append(session.columns(window.closes_s))
        episodes = episodes_of(database, "test")
        database.close()
    return episodes, pd.concat(frames, ignore_index=True)


def decided(episodes: Sequence[Episode], by: datetime) -> list[tuple[object, ...]]:
    """Everything that was decided by a moment: views, recalls, weights, verdicts - and no outcomes."""
    return [(e.view, e.recall, e.views, e.decision, e.verdict) for e in episodes if e.view.asof <= by]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10_000), cut=st.integers(FIRST + 20, HOURS - 1))
def test_cutting_the_future_off_changes_no_earlier_decision_weight_or_recall(seed: int, cut: int) -> None:
    candles = random_candles(seed, HOURS)
    whole, columns = walk(candles)
    short, columns_short = walk(candles.iloc[:cut])
    by = candles["date"].iloc[cut - 1].to_pydatetime() + timedelta(hours=1)
    assert len(decided(short, by)) > 0
    assert decided(short, by) == decided(whole, by)
    pd.testing.assert_frame_equal(columns_short, columns.iloc[: cut - FIRST])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10_000),
    cuts=st.lists(st.integers(FIRST + 1, HOURS - 1), min_size=1, max_size=4, unique=True),
    rewinding=st.booleans(),
)
def test_the_windows_that_freqai_happens_to_use_change_nothing(
    seed: int, cuts: list[int], rewinding: bool
) -> None:
    candles = random_candles(seed, HOURS)
    whole, columns = walk(candles)
    pieces, columns_pieces = walk(candles, sorted(cuts), rewinding=rewinding)
    assert pieces == whole
    pd.testing.assert_frame_equal(columns_pieces, columns)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10_000), future=st.integers(0, 10_000), cut=st.integers(FIRST + 20, HOURS - 1))
def test_another_future_changes_no_earlier_decision(seed: int, future: int, cut: int) -> None:
    candles = random_candles(seed, HOURS)
    other = candles.copy()
    prices = ["open", "high", "low", "close"]
    other.loc[cut:, prices] = random_candles(future, HOURS).loc[cut:, prices].to_numpy() * 3.0
    by = candles["date"].iloc[cut - 1].to_pydatetime() + timedelta(hours=1)
    assert decided(walk(candles)[0], by) == decided(walk(other)[0], by)


def test_memory_speaks_once_enough_outcomes_are_known_and_weights_follow_rewards() -> None:
    episodes, columns = walk(random_candles(1, HOURS))
    first, last = episodes[0], episodes[-1]
    assert next(v for v in first.views if v.agent == "memory").abstains
    assert not next(v for v in last.views if v.agent == "memory").abstains
    awake = [w for w in first.decision.weights.values() if w > 0]
    assert awake == pytest.approx([0.25] * 4)
    assert last.decision.weights != pytest.approx(first.decision.weights)
    assert columns["recall_count"].iloc[-1] > 0


def test_every_recalled_outcome_was_known_at_the_decision() -> None:
    episodes, _ = walk(random_candles(2, HOURS))
    recalled = [(e.view.asof, n.known_at) for e in episodes for n in e.recall.neighbours]
    assert recalled
    assert all(known_at <= asof for asof, known_at in recalled)


def test_outcomes_are_measured_from_the_candle_after_the_decision() -> None:
    candles = random_candles(3, HOURS)
    episodes, _ = walk(candles)
    episode = episodes[0]
    opens = candles.set_index("date")["open"]
    closes = candles.set_index("date")["close"]
    entry = opens[pd.Timestamp(episode.view.asof)]
    leave = closes[pd.Timestamp(episode.view.asof) + pd.Timedelta("3h")]
    assert episode.outcome is not None
    assert episode.outcome.market_return == pytest.approx(leave / entry - 1.0)
    assert episode.outcome.known_at == episode.view.asof + timedelta(hours=4)


def test_a_bot_that_was_down_for_longer_than_its_candles_reach_learns_no_wrong_outcome(
    tmp_path: Path,
) -> None:
    candles = random_candles(3, HOURS)
    rows = rows_of(candles)
    database = Database(f"sqlite:///{tmp_path}/store.sqlite")
    before = make_session(database, SETTINGS)
    before.rewind(START)
    before.advance(part(rows, FIRST, FIRST + 30), candle_arrays(candles))
    assert episodes_of(database, "test")[-1].outcome is None
    after = make_session(database, SETTINGS)
    last = part(rows, HOURS - 7, HOURS)
    after.resume(datetime.fromtimestamp(int(last.closes_s[0]), tz=UTC))
    assert after.advance(last, candle_arrays(candles.iloc[HOURS - 20 :].reset_index(drop=True)))
    found = [e for e in episodes_of(database, "test") if e.outcome is not None]
    whole_arrays = candle_arrays(candles)
    assert found
    for episode in found:
        entry = int(np.searchsorted(whole_arrays.opens_s, int(episode.view.asof.timestamp())))
        leave = entry + SETTINGS.decision.horizon_candles - 1
        expected = whole_arrays.close[leave] / whole_arrays.open[entry] - 1.0
        assert episode.outcome is not None
        assert episode.outcome.market_return == pytest.approx(expected)
    database.close()


def test_an_agent_whose_model_is_down_abstains_with_the_cause_and_the_rest_decide() -> None:
    episodes, columns = walk(random_candles(4, HOURS), answers=ScriptedAnswers(failing="aggressive"))
    absent = [next(v for v in e.views if v.agent == "aggressive") for e in episodes]
    assert all("the endpoint is down" in (v.abstained_reason or "") for v in absent)
    assert (columns["weight_aggressive"] == 0.0).all()
    assert columns["fused_depth"].abs().max() > 0.0


def test_the_same_row_handed_over_twice_is_decided_once(tmp_path: Path) -> None:
    candles = random_candles(5, HOURS)
    rows, arrays = rows_of(candles), candle_arrays(candles)
    answers = ScriptedAnswers()
    session = make_session(Database(f"sqlite:///{tmp_path}/s.sqlite"), SETTINGS, answers=answers)
    session.rewind(START)
    window = part(rows, FIRST, FIRST + 40)
    first = session.advance(window, arrays)
    asked = answers.asked
    assert first
    assert session.advance(window, arrays) == ()
    assert answers.asked == asked


def test_a_killed_run_goes_on_from_the_store(tmp_path: Path) -> None:
    candles = random_candles(6, HOURS)
    rows, arrays = rows_of(candles), candle_arrays(candles)
    url = f"sqlite:///{tmp_path}/s.sqlite"
    before = make_session(Database(url), SETTINGS)
    before.rewind(START)
    before.advance(part(rows, FIRST, 600), arrays)
    after = make_session(Database(url), SETTINGS)
    window = part(rows, 600, HOURS)
    after.rewind(datetime.fromtimestamp(int(window.closes_s[0]), tz=UTC))
    after.advance(window, arrays)
    whole, columns = walk(candles)
    assert episodes_of(Database(url), "test") == whole
    pd.testing.assert_frame_equal(
        after.columns(window.closes_s), columns.iloc[600 - FIRST :].reset_index(drop=True)
    )


def test_a_bot_that_was_off_for_longer_than_its_candles_reach_makes_no_outcome_up(tmp_path: Path) -> None:
    candles = random_candles(6, HOURS)
    rows, database = rows_of(candles), Database(f"sqlite:///{tmp_path}/s.sqlite")
    before = make_session(database, SETTINGS)
    before.rewind(START)
    before.advance(part(rows, FIRST, 500), candle_arrays(candles.iloc[:500]))
    waiting = [e.view.asof for e in episodes_of(database, "test") if e.outcome is None]
    after = make_session(database, SETTINGS)
    window = part(rows, 600, HOURS)
    after.rewind(datetime.fromtimestamp(int(window.closes_s[0]), tz=UTC))
    after.advance(window, candle_arrays(candles.iloc[590:]))
    assert waiting
    unknown = [e.view.asof for e in episodes_of(database, "test") if e.outcome is None]
    assert unknown[: len(waiting)] == waiting


def test_an_outcome_is_that_of_the_horizon_and_the_candles_it_was_decided_for(tmp_path: Path) -> None:
    candles = random_candles(6, HOURS)
    rows, arrays = rows_of(candles), candle_arrays(candles)
    database = Database(f"sqlite:///{tmp_path}/s.sqlite")
    longer = SETTINGS.decision.model_copy(update={"horizon_candles": 20})
    before = make_session(database, SETTINGS.model_copy(update={"decision": longer}))
    before.rewind(START)
    before.advance(part(rows, FIRST, 500), arrays)
    waiting = [e for e in episodes_of(database, "test") if e.outcome is None]
    other = replace(waiting[-1], view=replace(waiting[-1].view, timeframe="5m"))
    write_episodes(database, [other])
    after = make_session(database, SETTINGS)
    window = part(rows, 500, HOURS)
    after.rewind(datetime.fromtimestamp(int(window.closes_s[0]), tz=UTC))
    after.advance(window, arrays)
    decided_before = {e.id: e for e in episodes_of(database, "test") if e.id in {w.id for w in waiting}}
    assert decided_before.pop(other.id).outcome is None
    assert decided_before
    assert all(e.outcome is not None and e.outcome.known_at == e.due for e in decided_before.values())


def test_a_full_disk_loses_nothing_and_the_next_advance_writes_it(tmp_path: Path) -> None:
    candles = random_candles(7, HOURS)
    rows, arrays = rows_of(candles), candle_arrays(candles)
    database = Database(f"sqlite:///{tmp_path}/s.sqlite")
    session = make_session(database, SETTINGS)
    session.rewind(START)
    with database.begin() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreFull):
        session.advance(part(rows, FIRST, 600), arrays)
    held = session.columns(part(rows, FIRST, 600).closes_s)
    assert held["fused_depth"].abs().max() > 0.0
    with database.begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    session.advance(part(rows, 600, HOURS), arrays)
    assert episodes_of(database, "test") == walk(candles)[0]


def test_a_row_whose_market_state_is_incomplete_is_not_decided_on(tmp_path: Path) -> None:
    candles = random_candles(8, HOURS)
    rows = part(rows_of(candles), FIRST, HOURS)
    rows.features.loc[:, "return_168"] = np.nan
    session = make_session(Database(f"sqlite:///{tmp_path}/s.sqlite"), SETTINGS)
    session.rewind(START)
    assert session.advance(rows, candle_arrays(candles)) == ()
    assert (session.columns(rows.closes_s) == 0.0).all().all()


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_close_times_are_seconds_whatever_the_datetime_unit(unit: str) -> None:
    dates = pd.Series(pd.date_range("2024-01-01", periods=2, freq="h", tz="UTC").as_unit(unit))
    assert close_times(dates, HOUR).tolist() == [1704070800, 1704074400]
    assert close_times(dates, HOUR).dtype == np.int64


def test_the_calibration_of_confidence_knows_only_outcomes_known_at_each_decision() -> None:
    sized = SETTINGS.model_copy(
        update={"calibration": CalibrationSettings(window=20, least_fitted=20, refit_every=5)}
    )
    episodes, columns = walk(random_candles(5, HOURS), settings=sized)
    starts = columns.drop_duplicates("decision_time").set_index("decision_time")
    for episode in episodes:
        asof = episode.view.asof
        known = sorted(
            (e for e in episodes if e.outcome and e.outcome.known_at <= asof),
            key=lambda e: (e.outcome.known_at if e.outcome else asof, e.view.asof),
        )
        expected = DecisionCalibrator(sized.calibration).at(tuple(known))
        row = starts.loc[asof.timestamp()]
        assert row["confidence_calibrated"] == expected.confidence(episode.decision.confidence)
        assert bool(row["confidence_usable"]) is expected.usable
    assert starts["confidence_calibrated"].nunique() > 10


def test_beliefs_and_debates_are_part_of_what_windows_and_kills_cannot_change(tmp_path: Path) -> None:
    """Each prompt holds the agent's own last belief: one lost on the way would change all later ones."""
    candles = random_candles(9, HOURS)
    rows, arrays = rows_of(candles), candle_arrays(candles)
    answers = ScriptedAnswers()
    whole = Database(f"sqlite:///{tmp_path}/whole.sqlite")
    session = make_session(whole, SETTINGS, answers=answers)
    session.rewind(START)
    decided = session.advance(part(rows, FIRST, HOURS), arrays)
    held = [e for e in decided if e.debate is not None]
    assert 0 < len(held) < len(decided)
    assert {e.id for e in held} == debated(whole, "test")
    assert [read_debate(whole, "test", e.id) for e in held] == [e.debate for e in held]

    cut = Database(f"sqlite:///{tmp_path}/cut.sqlite")
    for start, stop in itertools.pairwise([FIRST, 520, 521, 640, HOURS]):
        window = part(rows, start, stop)
        fresh = make_session(cut, SETTINGS)
        fresh.rewind(datetime.fromtimestamp(int(window.closes_s[0]), tz=UTC))
        fresh.advance(window, arrays)
    assert episodes_of(cut, "test") == episodes_of(whole, "test")
    assert [read_debate(cut, "test", e.id) for e in held] == [e.debate for e in held]


def test_correlations_of_the_newest_decisions_reach_the_columns() -> None:
    _, columns = walk(random_candles(1, HOURS))
    assert columns["depth_correlation"].iloc[0] == 0.0
    assert columns["depth_correlation"].iloc[-1] != 0.0
    assert columns["error_correlation"].iloc[-1] != 0.0
    assert columns["error_correlation"].abs().max() <= 1.0
    assert columns["dispersion"].between(0.0, 1.0).all()
    assert columns["dispersion"].max() > 0.0
