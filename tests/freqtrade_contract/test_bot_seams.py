"""What `bot.freqtrade_internals.freqtrade` leans on in a running freqtrade, one test a touch point."""

from __future__ import annotations

import inspect
import re
from types import SimpleNamespace

import pytest
from freqtrade.configuration import sanitize_config
from freqtrade.data.dataprovider import DataProvider
from freqtrade.exceptions import TemporaryError
from freqtrade.exchange import Exchange
from freqtrade.freqtradebot import FreqtradeBot
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.optimize.optimize_reports import bt_storage
from freqtrade.rpc import RPC, RPCHandler, RPCManager
from freqtrade.strategy import IStrategy
from freqtrade.strategy.strategy_wrapper import strategy_safe_wrapper

from agent_market.bot.freqtrade_internals import freqtrade as internals
from agent_market.errors import GateMissing


def source(thing: object) -> str:
    return inspect.getsource(thing)  # type: ignore[arg-type]


def test_the_data_provider_keeps_the_rpc_manager_under_its_mangled_name() -> None:
    assert "self.__rpc" in source(DataProvider.__init__)


def test_the_rpc_manager_leads_to_the_bot() -> None:
    assert "self._rpc = RPC(freqtrade)" in source(RPCManager.__init__)
    assert "self._freqtrade = freqtrade" in source(RPC.__init__)


def test_the_bot_is_whole_but_for_its_protections_when_bot_start_runs() -> None:
    text = source(FreqtradeBot.__init__)
    start = text.index("self.strategy.ft_bot_start()")
    for made in ("self.rpc: RPCManager", "self.wallets =", "self._exit_lock = Lock()", "self.dataprovider ="):
        assert text.index(made) < start, made


def test_an_exception_in_bot_start_ends_the_bot() -> None:
    assert "strategy_safe_wrapper(self.bot_start)()" in source(IStrategy.ft_bot_start)
    with pytest.raises(Exception, match="planted"):
        strategy_safe_wrapper(lambda: (_ for _ in ()).throw(GateMissing("planted")))()


def test_every_entry_is_priced_by_the_method_that_the_gate_wraps() -> None:
    assert tuple(inspect.signature(FreqtradeBot.get_valid_enter_price_and_stake).parameters)[1:] == (
        internals.GATED_PARAMETERS
    )
    text = source(FreqtradeBot.execute_entry)
    assert text.index("self.get_valid_enter_price_and_stake(") < text.index("self.exchange.create_order(")
    assert "if not stake_amount:\n            return False" in text


def test_no_entry_order_is_made_anywhere_but_in_execute_entry() -> None:
    places = [m.start() for m in re.finditer(r"exchange\.create_order\(", source(FreqtradeBot))]
    assert len(places) == 2, "one for entries, one for exits"
    assert source(FreqtradeBot.execute_trade_exit).count("exchange.create_order(") == 1
    assert "create_order(" not in source(RPC)


def test_orders_are_sent_with_the_named_arguments_that_are_watched() -> None:
    parameters = inspect.signature(Exchange.create_order).parameters
    assert parameters["pair"].kind is inspect.Parameter.KEYWORD_ONLY
    for method in (FreqtradeBot.execute_entry, FreqtradeBot.execute_trade_exit):
        call = re.search(r"self\.exchange\.create_order\((.*?)\n        +\)", source(method), re.DOTALL)
        assert call is not None
        for name in ("pair=", "ordertype=", "side=", "amount=", "rate=", "leverage="):
            assert name in call[1], (method, name)


def test_what_watches_orders_hears_both_ends_and_changes_nothing() -> None:
    given = {"pair": "A/B", "ordertype": "limit", "side": "buy", "amount": 2.0, "rate": 5.0, "leverage": 1.0}
    heard: list[object] = []

    def create_order(**order: object) -> str:
        if order["rate"] == 6.0:
            raise TemporaryError("planted")
        return "taken"

    bot = SimpleNamespace(exchange=SimpleNamespace(create_order=create_order))
    internals.watch_orders(bot, heard.append, lambda order, error: heard.append((order.rate, str(error))))  # type: ignore[arg-type]
    assert bot.exchange.create_order(**given) == "taken"
    with pytest.raises(TemporaryError, match="planted"):
        bot.exchange.create_order(**(given | {"rate": 6.0}))
    assert heard == [internals.OrderSent("A/B", "limit", "buy", 2.0, 5.0, 1.0), (6.0, "planted")]


def test_what_watches_orders_cannot_make_freqtrade_lose_one() -> None:
    def broken(*heard: object) -> None:
        raise RuntimeError("planted")

    bot = SimpleNamespace(exchange=SimpleNamespace(create_order=lambda **order: "taken"))
    internals.watch_orders(bot, broken, broken)  # type: ignore[arg-type]
    names = ("pair", "ordertype", "side", "amount", "rate", "leverage")
    assert bot.exchange.create_order(**dict.fromkeys(names, 1.0)) == "taken"


@pytest.mark.parametrize(
    ("method", "within"),
    [
        (FreqtradeBot.enter_positions, "self.create_trade(pair)"),
        (FreqtradeBot.process, "self.process_open_trade_positions()"),
        (FreqtradeBot.process, "self.manage_open_orders()"),
        (RPC._rpc_force_entry, "self._freqtrade.execute_entry("),
    ],
)
def test_every_way_to_an_entry_holds_the_exit_lock(method: object, within: str) -> None:
    before = source(method)[: source(method).index(within)]
    assert re.search(r"with self\.(_freqtrade\.)?_exit_lock:[^\n]*(\n[^\n]*){0,3}$", before)


def test_a_forced_entry_goes_through_one_method_of_one_object() -> None:
    parameters = tuple(inspect.signature(RPC._rpc_force_entry).parameters)
    assert parameters[:3] == ("self", "pair", "price")
    assert "order_type" in parameters
    rpc = SimpleNamespace(_rpc_force_entry=lambda: internals.is_forced())
    internals.mark_forced_entries(rpc)  # type: ignore[arg-type]
    assert rpc._rpc_force_entry() is True
    assert internals.is_forced() is False


def test_the_type_of_an_entry_is_freqtrades_own() -> None:
    types = {"entry": "limit", "force_entry": "market"}
    strategy = SimpleNamespace(order_types=types)
    rpc = SimpleNamespace(_rpc_force_entry=lambda **given: internals.entry_type(strategy))  # type: ignore[arg-type]
    internals.mark_forced_entries(rpc)  # type: ignore[arg-type]
    assert internals.entry_type(strategy) == "limit"  # type: ignore[arg-type]
    assert rpc._rpc_force_entry() == "market"
    assert rpc._rpc_force_entry(order_type="limit") == "limit"
    del types["force_entry"]
    assert rpc._rpc_force_entry() == "limit"
    forced = source(RPC._rpc_force_entry)
    assert re.search(
        r'order_types\.get\(\s*"force_entry", self\._freqtrade\.strategy\.order_types\["entry"\]', forced
    )
    assert 'ordertype or self.strategy.order_types["entry"]' in source(FreqtradeBot.execute_entry)


def test_force_exit_takes_the_lock_so_that_it_may_not_be_called_under_it() -> None:
    assert "with self._freqtrade._exit_lock:" in source(RPC._rpc_force_exit)
    process = source(FreqtradeBot.process)
    assert process.index("bot_loop_start") < process.index("with self._exit_lock")


def test_a_handler_of_ours_hears_messages_and_the_end() -> None:
    assert issubclass(internals.Listener, RPCHandler)
    assert "for mod in self.registered_modules" in source(RPCManager.send_msg)
    assert "mod.cleanup()" in source(RPCManager.cleanup)
    assert "self.rpc.cleanup()" in source(FreqtradeBot.cleanup)
    assert "mod._config.get(mod.name, {})" in source(RPCManager.process_msg_queue)


def test_position_adjustment_is_looked_up_when_it_is_needed() -> None:
    assert "if self.strategy.position_adjustment_enable:" in source(FreqtradeBot.process)
    assert "if self.strategy.position_adjustment_enable:" in source(Backtesting)


def test_a_gate_that_would_be_passed_by_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bot = object.__new__(FreqtradeBot)
    internals.install_gate(bot, lambda original, *given: (1.0, 0.0, 1.0))
    assert bot.get_valid_enter_price_and_stake("A/B", 1.0, 9.0, "long", "", None, "initial", 5.0)[1] == 0.0
    monkeypatch.delattr(FreqtradeBot, internals.GATED)
    with pytest.raises(GateMissing, match="has no FreqtradeBot"):
        internals.install_gate(object.__new__(FreqtradeBot), lambda original, *given: (1.0, 0.0, 1.0))


def test_a_strategy_without_a_bot_has_no_gate() -> None:
    with pytest.raises(GateMissing, match="no RPC manager"):
        internals.rpc_manager(SimpleNamespace(dp=SimpleNamespace()))  # type: ignore[arg-type]
    manager = SimpleNamespace(_rpc=SimpleNamespace(_freqtrade="other"))
    strategy = SimpleNamespace(dp=SimpleNamespace(_DataProvider__rpc=manager))
    with pytest.raises(GateMissing, match="str, no FreqtradeBot"):
        internals.running_bot(strategy)  # type: ignore[arg-type]


def test_the_config_packed_with_a_result_is_cleaned_where_freqtrade_packs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert 'sanitize_config(config["original_config"])' in source(bt_storage.store_backtest_results)
    monkeypatch.setattr(bt_storage, "sanitize_config", sanitize_config)
    internals.clean_results()
    internals.clean_results()
    config = {"api_server": {"password": "planted-1", "jwt_secret_key": "planted-2"}, "bot_name": "b"}
    cleaned = bt_storage.sanitize_config(config)
    assert cleaned == {"api_server": {"password": "***", "jwt_secret_key": "***"}, "bot_name": "b"}
