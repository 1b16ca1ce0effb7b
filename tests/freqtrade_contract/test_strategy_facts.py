"""What we rely on in freqtrade's strategy loading, hyperopt and command line, one test a fact."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from freqtrade.config_schema import CONF_SCHEMA
from freqtrade.configuration.environment_vars import environment_vars_to_dict
from freqtrade.data.dataprovider import DataProvider
from freqtrade.enums import TRADE_MODES, RunMode
from freqtrade.exceptions import OperationalException
from freqtrade.main import main as freqtrade_main
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.resolvers.strategy_resolver import StrategyResolver
from freqtrade.strategy import DecimalParameter, IStrategy
from freqtrade.strategy.hyper import detect_all_parameters

from agent_market.strategy.strategy import AgentMarketStrategyBase


def write(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text)


def test_a_strategy_defined_in_the_file_is_found_and_an_imported_one_is_not(tmp_path: Path) -> None:
    base = "from agent_market.strategy.strategy import AgentMarketStrategyBase as Base\n"
    write(tmp_path, "imported", base)
    write(
        tmp_path, "defined", f"{base}class Mine(Base):\n    stoploss = -0.1\n    minimal_roi = {{'0': 1}}\n"
    )
    names = {row["name"] for row in StrategyResolver._search_all_objects(tmp_path, enum_failed=False)}
    assert "Mine" in names
    assert "Base" not in names
    assert "AgentMarketStrategyBase" not in names


def test_parameters_in_spaces_of_our_own_are_detected_on_a_base_class() -> None:
    class Base(IStrategy):
        multiplier_quant = DecimalParameter(0, 2, default=1, space="agents")

    class Derived(Base):
        pass

    assert "multiplier_quant" in detect_all_parameters(Derived)["agents"]


def test_a_section_of_our_own_is_allowed_in_the_config() -> None:
    assert CONF_SCHEMA.get("additionalProperties", True) is not False


def test_our_settings_can_be_set_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREQTRADE__AGENT_MARKET__LLM__BASE_URL", "http://127.0.0.1:1/v1")
    section = environment_vars_to_dict()["agent_market"]
    assert section == {"llm": {"base_url": "http://127.0.0.1:1/v1"}}


def test_an_operational_exception_ends_a_command_with_a_message_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_args: Any) -> None:
        raise OperationalException("training BTC/USDT failed")

    monkeypatch.setattr("freqtrade.commands.start_list_exchanges", fail)
    monkeypatch.setattr("freqtrade.main.setup_logging_pre", lambda: None)
    with pytest.raises(SystemExit) as stopped:
        freqtrade_main(["list-exchanges"])
    assert stopped.value.code == 2
    assert "training BTC/USDT failed" in caplog.text


def test_strategies_of_a_list_get_a_config_of_their_own() -> None:
    source = inspect.getsource(Backtesting.__init__)
    assert "stratconf = deepcopy(self.config)" in source
    assert "StrategyResolver.load_strategy(stratconf)" in source


def test_in_a_backtest_the_data_provider_gives_the_whole_history_while_indicators_are_populated() -> None:
    source = inspect.getsource(DataProvider.get_pair_dataframe)
    assert "if self.__slice_date:" in source
    assert "self.historic_ohlcv(" in source


def test_the_model_is_made_after_the_strategy_and_from_the_same_config() -> None:
    source = inspect.getsource(IStrategy.load_freqAI_model)
    assert "self.freqai = FreqaiModelResolver.load_freqaimodel(self.config)" in source


def test_a_base_strategy_needs_entry_and_exit_methods_by_these_names() -> None:
    for name in ("populate_indicators", "populate_entry_trend", "populate_exit_trend"):
        assert list(inspect.signature(getattr(IStrategy, name)).parameters) == [
            "self",
            "dataframe",
            "metadata",
        ]


def test_a_provider_that_was_given_no_pair_list_says_so_and_the_config_still_has_the_pairs() -> None:
    config: dict[str, Any] = {"exchange": {"pair_whitelist": ["BTC/USDT"]}, "freqai": {"enabled": False}}
    strategy = AgentMarketStrategyBase({**config, "user_data_dir": "."})
    strategy.dp = DataProvider(strategy.config, None)  # as where freqtrade draws a chart
    with pytest.raises(OperationalException, match="pairlist provider"):
        strategy.dp.current_whitelist()
    assert strategy._whitelist() == ["BTC/USDT"]


def test_a_bot_trades_in_dry_run_and_live_alone() -> None:
    """`TRADE_MODES` tells our code a running bot from a backtest."""
    assert set(TRADE_MODES) == {RunMode.DRY_RUN, RunMode.LIVE}
