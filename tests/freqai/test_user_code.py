"""Whatever computes features is told apart; whatever only trades is not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from freqtrade.resolvers import StrategyResolver

from agent_market.runs import user_code
from agent_market.runs.user_code import UserCode, feature_code, whole_code

USER_DATA = Path(__file__).resolve().parents[2] / "user_data"
STRATEGY = '''
import helpers
from more.deep import scale
from agent_market.strategy.strategy import AgentMarketStrategyBase
from freqtrade.strategy import IntParameter

WINDOW = 5


class Mine(AgentMarketStrategyBase):
    """Words."""

    stoploss = -0.1
    lookback = 12
    buy_span = IntParameter(2, 20, default=4, space="buy")

    def feature_engineering_standard(self, dataframe, metadata, **kwargs):
        dataframe = super().feature_engineering_standard(dataframe, metadata, **kwargs)
        dataframe["%-own"] = self._own(dataframe) * scale(self.buy_span.value)
        return dataframe

    def _own(self, dataframe):
        # A remark.
        return helpers.smooth(dataframe["close"], self.lookback + WINDOW)

    def populate_entry_trend(self, dataframe, metadata):
        dataframe.loc[dataframe["close"] > 0, "enter_long"] = 1
        return dataframe
'''
HELPERS = "import inner\n\n\ndef smooth(values, n):\n    return values.rolling(n).mean() * inner.ONE\n"


def write(folder: Path) -> Path:
    strategies = folder / "strategies"
    (strategies / "more").mkdir(parents=True)
    (strategies / "Mine.py").write_text(STRATEGY)
    (strategies / "helpers.py").write_text(HELPERS)
    (strategies / "inner.py").write_text("ONE = 1.0\n")
    (strategies / "unused.py").write_text("TWO = 2.0\n")
    (strategies / "more" / "__init__.py").write_text("")
    (strategies / "more" / "deep.py").write_text("def scale(x):\n    return x\n")
    return strategies


def code(strategies: Path, name: str = "Mine") -> UserCode:
    known = set(sys.modules)
    sys.path.insert(0, str(strategies))
    try:
        kind, _ = StrategyResolver._search_object(strategies, object_name=name)
    finally:
        sys.path.remove(str(strategies))
        for module in set(sys.modules) - known:
            del sys.modules[module]
    user_code._tree.cache_clear()
    return feature_code(kind, strategies.parent)


def replaced(file: str, old: str, new: str) -> Callable[[Path], None]:
    def change(strategies: Path) -> None:
        text = (strategies / file).read_text()
        assert old in text
        (strategies / file).write_text(text.replace(old, new))

    return change


@pytest.mark.parametrize(
    "change",
    [
        replaced("Mine.py", 'dataframe["close"], self', 'dataframe["open"], self'),
        replaced("Mine.py", "lookback = 12", "lookback = 13"),
        replaced("Mine.py", "WINDOW = 5", "WINDOW = 6"),
        replaced("Mine.py", "default=4", "default=5"),
        replaced("helpers.py", "mean()", "median()"),
        replaced("inner.py", "1.0", "1.5"),
        replaced("more/deep.py", "return x", "return 2 * x"),
        replaced("more/__init__.py", "", "import os\n"),
    ],
)
def test_what_computes_features_counts_wherever_it_stands(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    strategies = write(tmp_path)
    before = code(strategies).digest
    assert code(strategies).digest == before
    change(strategies)
    assert code(strategies).digest != before


@pytest.mark.parametrize(
    "change",
    [
        replaced("Mine.py", "stoploss = -0.1", "stoploss = -0.2"),
        replaced("Mine.py", "> 0", "> 1"),
        replaced("Mine.py", "Words.", "Other words."),
        replaced("Mine.py", "A remark.", "Another remark."),
        replaced("unused.py", "2.0", "3.0"),
    ],
)
def test_what_only_trades_or_says_does_not_count(tmp_path: Path, change: Callable[[Path], None]) -> None:
    strategies = write(tmp_path)
    before = code(strategies).digest
    change(strategies)
    assert code(strategies).digest == before


def test_a_class_attribute_of_trading_counts_where_a_feature_reads_it(tmp_path: Path) -> None:
    strategies = write(tmp_path)
    replaced("Mine.py", "self.lookback + WINDOW", "self.lookback + WINDOW + int(self.stoploss)")(strategies)
    before = code(strategies).digest
    replaced("Mine.py", "stoploss = -0.1", "stoploss = -0.2")(strategies)
    assert code(strategies).digest != before


def test_what_hyperopt_wrote_counts_where_a_feature_reads_it() -> None:
    class Tuned:
        lookback = 3

        def feature_engineering_standard(self) -> int:
            return self.lookback

    def written(**params: object) -> str:
        one = Tuned()
        one._ft_params_from_file = {"buy": params}  # type: ignore[attr-defined]
        return feature_code(one).digest

    assert written(lookback=4) != written(lookback=5)
    assert written(threshold=4) == written(threshold=5)


def test_a_file_that_the_code_names_counts_and_one_that_it_does_not_name_is_never_trusted(
    tmp_path: Path,
) -> None:
    strategies = write(tmp_path)
    replaced("helpers.py", "inner.ONE", 'inner.ONE + len(open("table.csv").read())')(strategies)
    assert code(strategies).is_opaque, "there is no such file"
    (tmp_path / "table.csv").write_text("1")
    named = code(strategies)
    assert not named.is_opaque
    assert [file.name for file in named.files_read] == ["table.csv"]
    (tmp_path / "table.csv").write_text("2")
    assert code(strategies).digest != named.digest


def test_code_that_asks_for_candles_is_known_to_read_any(tmp_path: Path) -> None:
    strategies = write(tmp_path)
    assert not code(strategies).reads_candles
    replaced("helpers.py", "inner.ONE", 'inner.ONE + dp.get_pair_dataframe("X/USDT", "1d")')(strategies)
    assert code(strategies).reads_candles


def test_our_strategies_that_differ_in_trading_alone_share_their_predictions() -> None:
    strategies = USER_DATA / "strategies"
    arms = ("AgentMarketStrategy", "AgentMarketEqualWeights", "AgentMarketQuantOnly")
    assert len({code(strategies, name).digest for name in arms}) == 1
    assert code(strategies, "AgentMarketDirection").digest != code(strategies, arms[0]).digest


def test_all_of_a_models_own_code_counts(tmp_path: Path) -> None:
    strategies = write(tmp_path)
    sys.path.insert(0, str(strategies))
    try:
        kind, _ = StrategyResolver._search_object(strategies, object_name="Mine")
    finally:
        sys.path.remove(str(strategies))
        for name in ("helpers", "inner", "more", "more.deep"):
            sys.modules.pop(name, None)
    before = whole_code([kind]).digest
    user_code._tree.cache_clear()
    replaced("Mine.py", "> 0", "> 1")(strategies)
    assert whole_code([kind]).digest != before
