"""Each heavy job does what it says, twice does no harm, and freqtrade's trades are only ever read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from agent_market.config import AgentMarketSettings
from agent_market.jobs import heavy
from agent_market.jobs.job import Stopped
from agent_market.jobs.registry import job_table
from agent_market.memory.episodic import EpisodicMemory
from agent_market.store.backup import backups_in
from agent_market.store.memory_moves import moves_of
from tests.helpers.benches import OTHER, PAIR, Told, bench_in, candles, decided, store_in, trades_in
from tests.helpers.episode_makers import at


def test_memory_is_assessed_up_to_now_and_a_running_bot_can_go_on_writing(tmp_path: Path) -> None:
    # Every seventh is a crash, which moves to another layer.
    known = [decided(24 * n, known=24 * n + 12, moved=0.01 if n % 7 else -0.2) for n in range(70)]
    database = store_in(tmp_path, known)
    bench = bench_in(tmp_path, at(24 * 80))
    bot = EpisodicMemory(database, "live", PAIR, bench.settings.memory)
    bot.load(at(24 * 80))
    bot.assess(at(24 * 40))
    bot.flush()
    first = moves_of(database, "live", PAIR)
    found = heavy.memory(bench)
    assert found["episodes"] == 70
    all_moves = moves_of(database, "live", PAIR)
    assert found["moves"] == len(all_moves) > len(first)
    bot.assess(at(24 * 80))
    bot.flush()  # writes what the worker wrote before it
    assert moves_of(database, "live", PAIR) == all_moves
    assert heavy.memory(bench) == found
    assert list((tmp_path / "agent_market.sqlite.index").iterdir()), "the next start opens the index file"


def test_the_review_of_a_day_is_written_once_and_counts_that_day_alone(tmp_path: Path) -> None:
    store_in(tmp_path, [decided(2, known=14), decided(23), decided(26)])
    trades_in(tmp_path)
    bench = bench_in(tmp_path, at(24 + 8))
    assert heavy.review(bench) == {"file": "2024-01-01.txt", "written": True, "decisions": 2, "trades": 1}
    text = (tmp_path / "agent_market" / "reviews" / "2024-01-01.txt").read_text()
    assert text.startswith("2024-01-01 UTC, written 2024-01-02 08:00\nReview of 1 day\n2 decisions: 2 hold\n")
    assert "1 trades closed, 1 with profit, together +2.00 USDT after fees" in text
    assert heavy.review(bench) == {"file": "2024-01-01.txt", "written": False}


def test_the_graph_is_looked_for_in_the_candles_and_once_a_week(tmp_path: Path) -> None:
    store_in(tmp_path, [decided(n, known=n + 12) for n in range(4)])
    frames = {PAIR: candles(200), OTHER: candles(200, drift=2.0)}
    bench = bench_in(tmp_path, at(200), frames=frames)
    assert heavy.graph(bench)["assets"] == 2
    assert heavy.graph(bench) == {"assets": 2, "looked": "less than a week ago"}


def test_a_backup_is_a_whole_copy(tmp_path: Path) -> None:
    store_in(tmp_path, [decided(2)])
    found = heavy.backup(bench_in(tmp_path))
    ((_, file),) = backups_in(tmp_path / "backups")
    assert (found["file"], found["kept"], found["deleted"]) == (file.name, 1, 0)
    with closing(sqlite3.connect(file)) as copy:
        assert copy.execute("SELECT count(*) FROM episodes").fetchone() == (1,)


def test_memory_ends_between_two_pairs_when_told_to(tmp_path: Path) -> None:
    told = Told(wanted=False)
    store_in(tmp_path, [decided(2)])
    with pytest.raises(Stopped):
        heavy.memory(bench_in(tmp_path, told=told))


def test_a_job_with_interval_0_is_off_and_texts_need_a_model() -> None:
    settings = AgentMarketSettings.model_validate({"jobs": {"graph_days": 0, "costs_minutes": 0}})
    assert [job.name for job in job_table(settings)] == ["outcomes", "trades", "memory", "review", "backup"]
    named = AgentMarketSettings.model_validate({"memory": {"text": {"embedder": "mini"}}})
    assert "texts" in [job.name for job in job_table(named)]
    server = AgentMarketSettings.model_validate({"store": {"url": "postgresql://localhost/bot"}})
    assert "backup" not in [job.name for job in job_table(server)]
    assert all(job.when.after(at(0)) >= at(0) + timedelta(minutes=1) for job in job_table(named))
