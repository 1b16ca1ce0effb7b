"""What the gate itself looks at when a human forces an entry: places, clocks, the newest candles."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from freqtrade.persistence import Trade
from freqtrade.rpc import RPCException

from agent_market.bot.steady_clock import wall_now
from tests.helpers.dry_bot import PAIRS, DryBot, dry_bot

SILENT = """
    def populate_entry_trend(self, dataframe, metadata):
        return dataframe
"""
PLACES = 2


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[DryBot]:
    with dry_bot(tmp_path, {"max_open_trades": PLACES}, SILENT) as running:
        running.process()
        yield running


def forced_at_once(bot: DryBot, pairs: list[str]) -> list[str]:
    """Force entries while the entry lock is held, so that each has counted before any is placed."""
    refused: list[str] = []
    counted = threading.Barrier(len(pairs) + 1)
    validate = bot.rpc._force_entry_validations

    def force(pair: str) -> None:
        try:
            bot.rpc._rpc_force_entry(pair, None, stake_amount=100.0)
        except RPCException as error:
            refused.append(str(error))
        finally:
            Trade.session.remove()

    def validated(*args: object) -> None:
        validate(*args)
        counted.wait(60)

    bot.rpc._force_entry_validations = validated
    threads = [threading.Thread(target=force, args=(pair,)) for pair in pairs]
    with bot.bot._exit_lock:
        for thread in threads:
            thread.start()
        counted.wait(60)
        for thread in threads:
            thread.join(0.2)  # they wait for the lock now, each having counted
    for thread in threads:
        thread.join(60)
    return refused


def test_entries_forced_at_once_leave_no_more_trades_open_than_allowed(bot: DryBot) -> None:
    refused = forced_at_once(bot, list(PAIRS))
    assert len(bot.orders) == PLACES
    assert Trade.get_open_trade_count() == PLACES
    assert len(refused) == len(PAIRS) - PLACES
    causes = [line["cause"] for line in bot.attachment.journal.recent() if line["kind"] == "refusal"]
    assert causes == ["2 trades are open, `max_open_trades` is 2"] * len(refused)


def test_a_pair_forced_twice_at_once_has_one_trade(bot: DryBot) -> None:
    forced_at_once(bot, [PAIRS[0]] * 3)
    assert [order.pair for order in bot.orders] == [PAIRS[0]]


def test_a_clock_that_went_back_is_seen_by_the_gate_while_the_loop_sleeps(
    bot: DryBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_market.bot.gate.entry_gate.wall_now", lambda: wall_now() - timedelta(hours=2))
    with pytest.raises(RPCException):
        bot.rpc._rpc_force_entry(PAIRS[0], None, stake_amount=100.0)
    assert not bot.orders
    assert [alarm.cause for alarm in bot.attachment.breaker.state.alarms] == ["clock_skew"]


def test_a_pause_on_a_full_disk_refuses_the_next_forced_entry(
    bot: DryBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(file: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("agent_market.bot.json_state.replace_bytes", no_room)
    assert bot.attachment.control.pause("rest:anna").paused
    for file in bot.attachment.control.folder.glob("pause.json*"):
        file.unlink()
    with pytest.raises(RPCException):
        bot.rpc._rpc_force_entry(PAIRS[0], None, stake_amount=100.0)
    assert not bot.orders
