"""Light jobs beside a real bot: they work, they end with it, and what fails in them leaves trading alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_market.jobs import light
from agent_market.jobs.job import JobContext
from agent_market.jobs.state import states_of
from agent_market.records import Episode
from agent_market.store.database import Database
from agent_market.store.episodes import episodes_of, write_episodes
from tests.helpers.dry_bot import DryBot, dry_bot, make_bot
from tests.helpers.episode_makers import an_episode

OFTEN = {"agent_market": {"jobs": {"outcomes_minutes": 0.001, "costs_minutes": 0.001}}}
THREAD = "agent-market-jobs"
PATIENCE_S = 60.0


def due(minutes_ago: int) -> Episode:
    """A decision of the bot on 1m candles, twelve minutes before it was due."""
    asof = (datetime.now(UTC) - timedelta(minutes=minutes_ago)).replace(second=0, microsecond=0)
    episode = an_episode(0, scope="live")
    view = replace(episode.view, asof=asof, timeframe="1m")
    return replace(episode, view=view, due=asof + timedelta(minutes=12))


def store_of(folder: Path) -> Database:
    return Database(f"sqlite:///{folder}/agent_market.sqlite")


def threads() -> int:
    return sum(thread.name == THREAD for thread in threading.enumerate())


def until(happened: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := happened()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def test_the_bot_gives_a_decision_its_outcome_from_its_own_candles(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    write_episodes(store, [due(30)])
    with dry_bot(tmp_path, OFTEN) as dry:
        dry.process()
        outcome = until(lambda: episodes_of(store, "live")[0].outcome)
        frame = dry.strategy.dp.get_pair_dataframe("BTC/USDT", "1m")
    asof = episodes_of(store, "live")[0].view.asof
    inside = frame[(frame["date"] >= asof) & (frame["date"] < asof + timedelta(minutes=12))]
    assert outcome.market_return == inside["close"].iloc[-1] / inside["open"].iloc[0] - 1.0
    assert states_of(store, "live")["outcomes"].end == "done"
    assert threads() == 0


def test_a_job_that_fails_is_alerted_and_the_bot_trades_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(bench: JobContext) -> dict[str, Any]:
        raise RuntimeError("planted")

    monkeypatch.setattr(light, "outcomes", broken)
    store = store_of(tmp_path)
    with dry_bot(tmp_path, OFTEN) as dry:
        until(lambda: "failed" in alerts(dry))
        assert "the job outcomes failed: RuntimeError('planted')" in alerts(dry)
        dry.process()
        assert dry.orders
        until(lambda: (s := states_of(store, "live").get("costs")) and s.end == "done")
    assert states_of(store, "live")["outcomes"].error == "RuntimeError: planted"


def alerts(dry: DryBot) -> str:
    return "\n".join(alert.text for alert in dry.attachment.bus.recent())


def test_a_reload_in_the_middle_of_a_job_ends_it_and_leaves_no_thread_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def endless(bench: JobContext) -> dict[str, Any]:
        begun.set()
        while True:
            bench.pause()
            time.sleep(0.001)

    monkeypatch.setattr(light, "outcomes", endless)
    store = store_of(tmp_path)
    with dry_bot(tmp_path, OFTEN) as dry:
        assert begun.wait(PATIENCE_S)
        assert threads() == 1
        dry.bot.cleanup()  # what /reload_config does, and then makes the bot anew
        assert threads() == 0
        assert states_of(store, "live")["outcomes"].end == "stopped"
        begun.clear()
        second = make_bot(tmp_path / "config.json")
        try:
            assert begun.wait(PATIENCE_S), "it was stopped, so it is due at once"
            assert threads() == 1
        finally:
            second.cleanup()
    assert threads() == 0


def test_without_a_store_and_with_jobs_off_nothing_is_written(tmp_path: Path) -> None:
    with dry_bot(tmp_path, OFTEN) as dry:
        dry.process()
        assert threads() == 1
    assert not (tmp_path / "agent_market.sqlite").exists()
    with dry_bot(tmp_path, {"agent_market": {"jobs": {"in_bot": False}}}):
        assert threads() == 0
