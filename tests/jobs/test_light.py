"""Outcomes that candles show by now, once and by hand; costs, alerted once a day."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent_market.config import MemorySettings
from agent_market.jobs.job import Job, Stopped
from agent_market.jobs.light import costs, outcomes
from agent_market.jobs.runner import Runner
from agent_market.jobs.when import Interval
from agent_market.memory.episodic import EpisodicMemory
from agent_market.store.episodes import episodes_of, write_episodes
from agent_market.store.generations import STATE, generation_of
from agent_market.store.outcomes import put_outcomes
from agent_market.store.spend import SpendRow, write_spend
from agent_market.utils.redaction import Redactor
from tests.helpers.benches import OTHER, PAIR, Told, bench_in, candles, decided, store_in
from tests.helpers.episode_makers import START, an_outcome, at


def test_a_due_decision_gets_the_outcome_worked_out_by_hand(tmp_path: Path) -> None:
    database = store_in(tmp_path, [decided(4), decided(40)])
    bench = bench_in(tmp_path, at(20), frames={PAIR: candles()}, costs={"fee": 0.001, "slippage": 0.0})
    with database.begin() as connection:
        before = generation_of(connection, "live", PAIR, STATE)
    assert outcomes(bench) == {"waiting": 0, "written": 1}
    first, second = episodes_of(database, "live")
    assert second.outcome is None, "not due"
    assert first.outcome is not None
    # Decided at hour 4, twelve candles: in at the open of candle 4, out at the close of candle 15.
    assert first.outcome.market_return == pytest.approx(116.0 / 104.0 - 1.0)
    assert first.outcome.best == pytest.approx(117.0 / 104.0 - 1.0)
    assert first.outcome.worst == pytest.approx(103.0 / 104.0 - 1.0)
    assert first.outcome.cost == pytest.approx(0.002)
    assert first.outcome.known_at == at(16)
    with database.begin() as connection:
        assert generation_of(connection, "live", PAIR, STATE) > before, "index files are old from now on"


def test_an_outcome_that_is_there_stays_and_one_that_cannot_be_known_waits(tmp_path: Path) -> None:
    settled = decided(2, known=14)
    database = store_in(tmp_path, [settled, decided(3), decided(4, OTHER)])
    write_episodes(database, [decided(5, "LTC/USDT")])  # no longer traded: there are no candles to come
    late = candles(start=START + timedelta(hours=10))
    bench = bench_in(tmp_path, at(30), frames={PAIR: late})
    assert outcomes(bench) == {"waiting": 2, "written": 0}, (
        "no candle of its horizon's begin; no candles at all"
    )
    assert put_outcomes(database, [(settled, an_outcome(14, 0.5))]) == 0
    assert episodes_of(database, "live")[0].outcome == settled.outcome


def test_candles_of_another_timeframe_say_nothing(tmp_path: Path) -> None:
    store_in(tmp_path, [decided(4)])
    bench = replace(bench_in(tmp_path, at(20), frames={PAIR: candles()}), timeframe="5m")
    assert outcomes(bench) == {"waiting": 1, "written": 0}


def test_the_bot_may_settle_the_same_decision_itself(tmp_path: Path) -> None:
    database = store_in(tmp_path, [decided(4)])
    memory = EpisodicMemory(database, "live", PAIR, MemorySettings())
    memory.load(at(30))  # the bot holds it as unsettled
    outcomes(bench_in(tmp_path, at(20), frames={PAIR: candles()}))
    (written,) = episodes_of(database, "live")
    assert written.outcome is not None
    memory.settle(memory.unsettled()[0], written.outcome)
    memory.flush()
    assert episodes_of(database, "live") == (written,)


def test_between_two_pairs_it_ends_when_told_to(tmp_path: Path) -> None:
    told = Told(wanted=False)
    database = store_in(tmp_path, [decided(4)])
    with pytest.raises(Stopped):
        outcomes(bench_in(tmp_path, at(20), told, frames={PAIR: candles()}))
    assert episodes_of(database, "live")[0].outcome is None


def spent(hour: int, calls: int) -> list[SpendRow]:
    second = int(at(hour).timestamp())
    return [
        SpendRow(second, "run", "x", "quant", "m", "http://127.0.0.1", "k", 10, 5, 1_000_000, "usage")
        for _ in range(calls)
    ]


def test_a_cap_that_comes_near_is_alerted_once_a_day(tmp_path: Path) -> None:
    database = store_in(tmp_path)
    told = Told()
    budget = {"day": {"calls": 10, "tokens": 1_000, "cost": 1.0}}
    now = [at(1)]
    job = Job("costs", "x", "light", Interval(timedelta(minutes=5)), costs)
    runner = Runner(
        [job],
        lambda at: bench_in(tmp_path, at, told, budget=budget),
        lambda *_: None,
        timedelta(minutes=1),
        Redactor({}),
        lambda: now[0],
    )
    write_spend(database, spent(0, 7))
    assert runner.run(job).found == {
        "day": "2024-01-01",
        "told": [],
        "calls": 7,
        "tokens": 105,
        "cost": 0.007,
    }
    write_spend(database, spent(1, 1))
    assert runner.run(job).found["told"] == ["calls"]
    assert runner.run(job).found["told"] == ["calls"]
    assert told.lines == ["warning: models used 8 of 10 calls today; at the cap no model is called"]
    now[0] = at(25)
    assert runner.run(job).found["calls"] == 0, "another day"
    write_spend(database, spent(25, 9))
    runner.run(job)
    assert len(told.lines) == 2
