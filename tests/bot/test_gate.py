"""The gate against whatever would get past freqtrade's own callbacks: a real bot, its orders counted."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from freqtrade.enums import SignalDirection
from freqtrade.exceptions import StrategyError
from freqtrade.freqtradebot import FreqtradeBot
from freqtrade.persistence import PairLocks, Trade
from freqtrade.rpc import RPCException

from agent_market.bot.attach import current
from agent_market.bot.plugin import BREAKER_LOCK
from agent_market.config import BreakerSettings
from agent_market.risk.orders import EntryRequest
from agent_market.risk.systemic import Alarm
from agent_market.stress.dry_config import WALLET
from agent_market.utils.process_lock import hold
from tests.helpers.dry_bot import PAIRS, DryBot, dry_bot, now

GREEDY = """
    position_adjustment_enable = True

    def custom_stake_amount(self, *args, **kwargs):
        return 9_000.0

    def adjust_trade_position(self, *args, **kwargs):
        return 5_000.0
"""
RAISING = """
    position_adjustment_enable = True

    def FAILS(self, *args, **kwargs):
        raise RuntimeError("planted")
"""
CRASH = Alarm("flash_crash", 0.1, 0.2, "BTC/USDT")
SYMBOL = 0.30 * WALLET
SLACK = 1.01
"""Equity moves a little with prices, and amounts are rounded to lots."""


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[DryBot]:
    with dry_bot(tmp_path, {"stake_amount": 9_000}) as dry:
        yield dry


def symbol_limit(dry: DryBot) -> float:
    """Most notional in one symbol: volatility may have tightened the limit, never widened it."""
    return SYMBOL * SLACK


def assert_within_limits(dry: DryBot) -> None:
    by_pair: dict[str, float] = {}
    for order in dry.orders:
        by_pair[order.pair] = by_pair.get(order.pair, 0.0) + order.notional
        assert order.leverage <= 1.5
    assert all(total <= symbol_limit(dry) for total in by_pair.values()), by_pair
    free = dry.bot.wallets.get_free("USDT")
    assert free >= 0.099 * WALLET, free


def test_entries_are_cut_to_the_symbol_limit_and_funds_stay_free(bot: DryBot) -> None:
    bot.process()
    assert bot.orders
    assert_within_limits(bot)
    clamps = [line for line in bot.attachment.journal.recent() if line["kind"] == "clamps"]
    first = clamps[0]["clamps"]
    assert {"limit", "threshold", "value", "before", "after"} == set(first[0])
    bound = {row["limit"] for line in clamps for row in line["clamps"]}
    assert "symbol_notional" in bound
    (trade, *_) = Trade.get_open_trades()
    assert not trade.has_open_orders, "filled, which is when they are kept on the trade"
    assert trade.get_custom_data("agent_market_risk")["clamps"]


@pytest.mark.slow
def test_a_greedy_stake_and_added_entries_stay_within_the_cap(tmp_path: Path) -> None:
    with dry_bot(tmp_path, body=GREEDY) as dry:
        for _ in range(4):
            dry.process()
        assert len(dry.orders) >= 3
        assert_within_limits(dry)


@pytest.mark.slow
@pytest.mark.parametrize(
    "callback",
    ["custom_stake_amount", "confirm_trade_entry", "adjust_trade_position", "leverage", "custom_entry_price"],
)
def test_an_exception_in_a_callback_orders_nothing_over_a_limit(tmp_path: Path, callback: str) -> None:
    changes = {"stake_amount": 9_000}
    with dry_bot(tmp_path, changes, RAISING.replace("FAILS", callback)) as dry:
        dry.process()
        dry.process()
        assert_within_limits(dry)
        if callback in ("custom_stake_amount", "confirm_trade_entry"):
            assert not dry.orders, "freqtrade alone would place the order"


def test_an_exception_inside_the_gate_orders_nothing_and_is_alerted(
    bot: DryBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(bot.attachment.desk, "size", broken)
    bot.process()
    assert not bot.orders
    assert any(a.topic == "fault" and "planted" in a.text for a in bot.attachment.bus.recent())


def test_a_forced_entry_with_five_times_leverage_gets_the_limit(tmp_path: Path) -> None:
    body = """
    def populate_entry_trend(self, dataframe, metadata):
        return dataframe
"""
    with dry_bot(tmp_path, body=body, futures=True) as dry:
        for side in (SignalDirection.LONG, SignalDirection.SHORT):
            pair = "BTC/USDT:USDT" if side == SignalDirection.LONG else "ETH/USDT:USDT"
            dry.rpc._rpc_force_entry(pair, None, order_side=side, stake_amount=9_000.0, leverage=5.0)
        assert [order.side for order in dry.orders] == ["buy", "sell"]
        assert all(order.leverage == 1.5 for order in dry.orders)
        assert_within_limits(dry)


@pytest.mark.parametrize(
    ("side", "kind", "most"),
    [
        (SignalDirection.SHORT, "limit", SYMBOL),
        (SignalDirection.SHORT, "market", SYMBOL),
        (SignalDirection.LONG, "market", SYMBOL),
        (SignalDirection.LONG, "limit", 2 * SYMBOL),  # a bid: it fills at its own price or not at all
    ],
)
def test_a_price_far_under_the_market_makes_no_forced_order_larger(
    tmp_path: Path, side: SignalDirection, kind: str, most: float
) -> None:
    body = """
    def populate_entry_trend(self, dataframe, metadata):
        return dataframe
"""
    with dry_bot(tmp_path, body=body, futures=True) as dry:
        pair = "BTC/USDT:USDT"
        market = dry.bot.exchange.get_rate(pair, refresh=True, side="entry", is_short=False)
        dry.rpc._rpc_force_entry(pair, market / 2, order_type=kind, order_side=side, stake_amount=9_000.0)
        (trade,) = Trade.get_open_trades()
        assert 0.9 * most < trade.orders[0].safe_amount * market <= most * SLACK


@pytest.mark.slow
@pytest.mark.parametrize("leverage", ["5", float("nan"), -3.0])
def test_a_leverage_that_is_no_good_number_orders_nothing_over_the_limit(
    tmp_path: Path, leverage: object
) -> None:
    with dry_bot(tmp_path, futures=True) as dry:
        try:
            dry.rpc._rpc_force_entry("BTC/USDT:USDT", None, stake_amount=9_000.0, leverage=leverage)
        except RPCException:
            assert not dry.orders
        assert_within_limits(dry)


@pytest.mark.slow
def test_forced_entries_add_up_to_the_cap_and_no_further(bot: DryBot) -> None:
    bot.strategy.position_adjustment_enable = True
    for _ in range(4):
        with contextlib.suppress(RPCException):
            bot.rpc._rpc_force_entry("BTC/USDT", None, stake_amount=2_000.0)
    assert_within_limits(bot)
    assert sum(order.notional for order in bot.orders) > 1_500.0


def test_a_replaced_order_passes_the_gate(bot: DryBot) -> None:
    bot.rpc._rpc_force_entry("BTC/USDT", 100.0, stake_amount=2_000.0)
    trade = Trade.get_open_trades()[0]
    assert trade.has_open_orders, "a bid far below the market waits"
    order = trade.open_orders[0]
    with bot.bot._exit_lock:
        bot.bot.handle_replace_order(None, order, trade, 101.0, True, "replaced", replacing=True)
    Trade.commit()
    assert len(bot.orders) == 2
    assert bot.orders[1].notional == pytest.approx(2_000.0, rel=0.01)
    waiting = Trade.get_open_trades()[0].open_orders[0]
    bot.attachment.control.pause("test")
    with bot.bot._exit_lock:
        bot.bot.handle_replace_order(None, waiting, trade, 102.0, True, "replaced", replacing=True)
    Trade.commit()
    assert len(bot.orders) == 2, "paused: the order is cancelled and none takes its place"


@pytest.mark.slow
def test_an_order_that_waits_counts_against_the_cap(bot: DryBot) -> None:
    bot.rpc._rpc_force_entry("BTC/USDT", 100.0, stake_amount=3_000.0)
    first = bot.orders[0].notional
    holding = bot.attachment.desk.size(EntryRequest("BTC/USDT", "long", 100.0, 3_000.0, 1.0))
    assert first + holding.stake <= symbol_limit(bot)


@pytest.mark.slow
def test_concurrent_entries_never_go_over_a_limit_together(bot: DryBot) -> None:
    start = threading.Barrier(len(PAIRS) + 1)

    def force(pair: str) -> None:
        start.wait()
        try:
            bot.rpc._rpc_force_entry(pair, None, stake_amount=4_000.0)
        except RPCException:
            pass
        finally:
            Trade.session.remove()

    threads = [threading.Thread(target=force, args=(pair,)) for pair in PAIRS]
    for thread in threads:
        thread.start()
    start.wait()
    for thread in threads:
        thread.join(60)
    assert len(bot.orders) >= 3
    assert_within_limits(bot)


@pytest.mark.slow
def test_a_pause_stops_everything_at_once_and_a_restart_does_not_forget_it(tmp_path: Path) -> None:
    with dry_bot(tmp_path) as dry:
        dry.attachment.control.pause("command line")
        dry.process()
        with pytest.raises(RPCException):
            dry.rpc._rpc_force_entry("BTC/USDT", None, stake_amount=100.0)
        assert not dry.orders
    with dry_bot(tmp_path) as dry:
        dry.process()
        assert not dry.orders
        assert PairLocks.is_pair_locked("BTC/USDT"), "a refused entry is not tried every iteration"
        dry.attachment.control.resume("command line")
        PairLocks.unlock_pair("BTC/USDT")
        dry.process()
        assert [order.pair for order in dry.orders] == ["BTC/USDT"]


@pytest.mark.slow
def test_mode_manual_lets_a_human_enter_and_nobody_else(bot: DryBot) -> None:
    bot.attachment.control.set_mode("manual", "test")
    bot.process()
    assert not bot.orders
    bot.rpc._rpc_force_entry("BTC/USDT", None, stake_amount=100.0)
    assert len(bot.orders) == 1


@pytest.mark.slow
def test_mode_confirm_waits_for_a_yes_for_each_entry(tmp_path: Path) -> None:
    with dry_bot(tmp_path, {"exchange": {}, "max_open_trades": 2}) as dry:
        dry.attachment.control.set_mode("confirm", "test")
        dry.process()
        assert not dry.orders
        waiting = dry.attachment.confirmations.pending()
        assert [p.pair for p in waiting] == list(PAIRS)
        assert dry.attachment.confirmations.answer(waiting[0].number, True, "anna")
        assert dry.attachment.confirmations.answer(waiting[1].number, False, "anna")
        dry.process()
        assert [order.pair for order in dry.orders] == [waiting[0].pair]
        dry.process()
        assert len(dry.orders) == 1


@pytest.mark.parametrize(("tag", "again"), [("policy", True), ("agents +3.0 BTC/USDT@2026-01-05", False)])
def test_mode_confirm_asks_again_on_the_next_candle_where_the_tag_names_no_decision(
    bot: DryBot, monkeypatch: pytest.MonkeyPatch, tag: str, again: bool
) -> None:
    bot.attachment.control.set_mode("confirm", "test")
    candle = [1]
    market = bot.attachment.desk.market
    monkeypatch.setattr(market, "newest", lambda pair: candle[0])
    gate = bot.bot.get_valid_enter_price_and_stake

    def asked() -> int:
        gate("BTC/USDT", None, 100.0, "long", tag, None, "initial", None)
        return len(bot.attachment.confirmations.pending())

    assert asked() == 1
    (first,) = bot.attachment.confirmations.pending()
    bot.attachment.confirmations.answer(first.number, False, "anna")
    assert asked() == 0
    candle[0] += 1
    assert asked() == int(again)


def test_the_tripped_breaker_refuses_forced_entries_and_force_exit_does_not_deadlock(bot: DryBot) -> None:
    bot.rpc._rpc_force_entry("BTC/USDT", None, stake_amount=1_000.0)
    bot.attachment.breaker.see("ticks", [CRASH])
    with pytest.raises(RPCException):
        bot.rpc._rpc_force_entry("ETH/USDT", None, stake_amount=1_000.0)
    bot.process()
    assert [order.pair for order in bot.orders] == ["BTC/USDT"]
    assert PairLocks.is_global_lock(side="*"), "a trader sees the freeze as a lock"
    done = threading.Event()

    def leave() -> None:
        bot.rpc._rpc_force_exit("all", "market")
        Trade.session.remove()
        done.set()

    threading.Thread(target=leave, daemon=True).start()
    bot.process()
    assert done.wait(60)
    assert Trade.get_open_trade_count() == 0


def test_without_equity_the_breaker_is_frozen_and_the_gate_does_not_fail_again_and_again(
    bot: DryBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot.attachment.desk.look(now())
    monkeypatch.setattr(bot.bot.wallets, "get_free", lambda currency: -1.0)
    for _ in range(3):
        bot.process()
    assert not bot.orders
    assert {alarm.cause for alarm in bot.attachment.breaker.state.alarms} == {"day_loss", "no_free_funds"}
    assert not [alert for alert in bot.attachment.bus.recent() if alert.topic == "fault"]


def test_the_lock_of_a_bot_that_was_killed_ends_with_its_freeze(bot: DryBot) -> None:
    bot.strategy.lock_pair(
        "*", now() + timedelta(hours=1), BREAKER_LOCK
    )  # left behind; the breaker has thawed
    bot.process()
    assert not PairLocks.is_global_lock(side="*")
    assert bot.orders


@pytest.mark.slow
def test_the_breaker_reduces_the_book_to_its_safe_level(tmp_path: Path) -> None:
    risk = {"breaker": {"reduce_to": 0.15}}
    with dry_bot(tmp_path, {"agent_market": {"risk": risk}, "stake_amount": 500}) as dry:
        for pair in PAIRS[:4]:
            dry.rpc._rpc_force_entry(pair, None, stake_amount=500.0 if pair != "ETH/USDT" else 900.0)
        dry.attachment.breaker.see("ticks", [CRASH])
        dry.process()
        left = dry.open_notional()
        assert sum(left.values()) <= 0.15 * WALLET * SLACK
        assert "ETH/USDT" not in left, "the largest goes first"
        assert len(left) >= 2, "and no more than needed"


def test_a_candle_that_no_look_has_seen_is_looked_at_before_an_entry_on_it(
    bot: DryBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot.attachment.desk.settings = bot.attachment.desk.settings.model_copy(
        update={"breaker": BreakerSettings(volatility_spike=1.0001)}
    )
    ratio = "agent_market.bot.market.volatility_ratio"
    monkeypatch.setattr(ratio, lambda returns, settings: 5.0 if len(returns) else None)
    bot.process()  # the candles come after `bot_loop_start` of this very iteration
    assert not bot.orders
    assert [a.cause for a in bot.attachment.breaker.state.alarms] == ["volatility_spike"]


def test_without_a_gate_the_bot_refuses_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(self: FreqtradeBot, pair: str, price: float) -> None: ...

    monkeypatch.setattr(FreqtradeBot, "get_valid_enter_price_and_stake", other)
    with (
        pytest.raises(StrategyError, match=r"get_valid_enter_price_and_stake takes"),
        dry_bot(tmp_path),
    ):
        pytest.fail("it started")
    assert current() is None


@pytest.mark.slow
def test_a_second_bot_in_the_same_folder_is_alerted_and_a_restart_is_not(tmp_path: Path) -> None:
    def warned(dry: DryBot) -> bool:
        return any(
            a.level == "critical" and "another bot works in" in a.text for a in dry.attachment.bus.recent()
        )

    for _ in range(2):
        with dry_bot(tmp_path) as dry:
            assert not warned(dry)
            dry.strategy.bot_start()  # a reload that did not clean up
            assert not warned(dry)
    held = hold(tmp_path / "agent_market")
    assert held is not None
    with dry_bot(tmp_path) as dry:
        assert warned(dry)
        dry.process()
        assert dry.orders, "it goes on: open trades must be looked after"
    held()


@pytest.mark.slow
def test_what_else_fails_is_alerted_and_leaves_trading_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr("agent_market.bot.attach._watch_ticks", broken)
    with dry_bot(tmp_path) as dry:
        assert any("tick watch" in a.text and a.level == "critical" for a in dry.attachment.bus.recent())
        dry.process()
        assert dry.orders


def test_the_layer_ends_with_its_bot_and_a_reload_leaves_no_thread_over(tmp_path: Path) -> None:
    def ours() -> list[str]:
        return sorted(t.name for t in threading.enumerate() if t.name.startswith("agent-market-"))

    with dry_bot(tmp_path) as dry:
        first = dry.attachment
        running = ours()
        names = ("alert-history", "alerts", "jobs", "journal", "ticks", "trades", "webhook")
        assert running == [f"agent-market-{name}" for name in names]
        assert current() is first
        dry.bot.cleanup()  # what /reload_config does, and then makes the bot anew
        assert ours() == []
        assert current() is None
        second = FreqtradeBot(dry.bot.config)
        try:
            assert ours() == running
            assert current() is not first
            assert current() is second.strategy.attachment  # type: ignore[attr-defined]
        finally:
            second.cleanup()
    assert ours() == []
