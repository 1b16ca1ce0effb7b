"""Build features with FreqAI's own code, without a bot, so that datasets equal what a backtest trains on.

Depends on freqtrade internals: a `DataProvider` without an exchange, `FreqaiDataKitchen`, and
`IFreqaiModel.define_data_pipeline`; tests/freqtrade_contract pins each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
from datasieve.pipeline import Pipeline
from freqtrade.configuration import TimeRange
from freqtrade.data.dataprovider import DataProvider
from freqtrade.enums import CandleType, RunMode, TradingMode
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.freqai_interface import IFreqaiModel
from freqtrade.misc import deep_merge_dicts
from freqtrade.resolvers import StrategyResolver

from agent_market.errors import ConfigError, DataError
from agent_market.universe import universe_of

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Window:
    """A FreqAI window in epoch seconds: train on [train_from, test_from), predict [test_from, test_to)."""

    train_from: int
    test_from: int
    test_to: int


class FeatureBuilder:
    """Compute a strategy's features from candles on disk.

    :param config: a freqtrade config with `freqai`, merged.
    :param user_data: freqtrade's user_data directory, where the strategy is searched.
    :param datadir: folder of candles.
    :param timerange: `YYYYMMDD-YYYYMMDD`; candles before it are loaded as warm-up.
    :raises ConfigError: the config or the strategy is invalid.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        strategy: str,
        user_data: Path,
        datadir: Path,
        timerange: str,
        strategy_path: Path | None = None,
    ) -> None:
        own: dict[str, Any] = deep_merge_dicts(dict(config), {})
        mode = TradingMode(own.get("trading_mode") or "spot")
        own |= {
            "strategy": strategy,
            "user_data_dir": user_data,
            "datadir": datadir,
            "timerange": timerange,
            "runmode": RunMode.BACKTEST,
            "trading_mode": mode,
            "candle_type_def": CandleType.get_default(mode),
        }
        own.setdefault("dataformat_ohlcv", "feather")
        own.setdefault("reduce_df_footprint", False)
        if strategy_path is not None:
            own["strategy_path"] = str(strategy_path)
        if not own.get("freqai", {}).get("feature_parameters"):
            raise ConfigError(
                "the freqtrade config has no `freqai.feature_parameters`; add it to compute features"
            )
        try:
            own["freqai"]["enabled"] = True
            self._strategy = StrategyResolver.load_strategy(own)
        except OperationalException as error:
            raise ConfigError(str(error)) from error
        self.config = own
        self.pairs: tuple[str, ...] = universe_of(own)
        self.timeframe: str = own["timeframe"]
        self._strategy.dp = DataProvider(own, None, SimpleNamespace(whitelist=list(self.pairs)))

    @property
    def warm_up(self) -> int:
        """Number of warm-up candles that the strategy needs before the first row."""
        return int(self.config.get("startup_candle_count", 0))

    def candles(self, pair: str, timeframe: str | None = None) -> pd.DataFrame:
        """Load the candles of the time range and of the warm-up before it.

        Drop the candle that opens at the end of the range, which freqtrade loads too: a label would use it.

        :raises DataError: no candles on disk.
        """
        frame = self._strategy.dp.get_pair_dataframe(pair, timeframe or self.timeframe)
        if frame.empty:
            raise DataError(
                f"no candles of {pair} {timeframe or self.timeframe} in {self.config['datadir']} for "
                f"{self.config['timerange']}; run `freqtrade download-data` for it"
            )
        return frame[frame["date"] < pd.Timestamp(self.span[1], unit="s", tz="UTC")]

    def features(self, pair: str, candles: pd.DataFrame) -> pd.DataFrame:
        """Return the (T, F) feature columns that FreqAI would train on, one row per candle; NaN are kept.

        FreqAI writes the pair into the names of its expanded columns; remove it, so that all pairs have the
        same columns. Columns of correlated pairs keep their names.
        """
        kitchen = self._kitchen(pair)
        frame = kitchen.use_strategy_to_populate_indicators(
            self._strategy, prediction_dataframe=candles.reset_index(drop=True), pair=pair
        )
        frame = kitchen.remove_special_chars_from_feature_names(frame)
        kitchen.find_features(frame)
        own = f"_{pair.replace(':', '')}_"
        return frame[kitchen.training_features_list].rename(columns=lambda name: str(name).replace(own, "_"))

    def windows(self) -> tuple[Window, ...]:
        """Return the windows that a backtest of the time range trains and predicts on."""
        freqai, chosen = self.config["freqai"], TimeRange.parse_timerange(self.config["timerange"])
        if not chosen.startts or not chosen.stopts:
            raise ConfigError(
                f"FreqAI needs both ends of a time range, YYYYMMDD-YYYYMMDD; got {self.config['timerange']!r}"
            )
        chosen.startts -= freqai["train_period_days"] * _DAY_S
        try:
            trained, tested = self._kitchen(self.pairs[0]).split_timerange(
                chosen.timerange_str, freqai["train_period_days"], freqai["backtest_period_days"]
            )
        except OperationalException as error:
            raise ConfigError(str(error)) from error
        return tuple(
            Window(int(train.startts), int(test.startts), int(test.stopts))
            for train, test in zip(trained, tested, strict=True)
        )

    def pipeline(self) -> Pipeline:
        """Return a new, unfitted feature pipeline, defined as FreqAI's models define it."""
        pipeline: Pipeline = IFreqaiModel.define_data_pipeline(
            SimpleNamespace(freqai_info=self.config["freqai"]), 1
        )
        return pipeline

    def _kitchen(self, pair: str) -> FreqaiDataKitchen:
        # A kitchen created as live makes no folders; left live, it would also set the strategy's targets.
        kitchen = FreqaiDataKitchen(self.config, True, pair)
        kitchen.live = False
        return kitchen

    @property
    def span(self) -> tuple[int, int]:
        """The time range in epoch seconds; an open end is the far future."""
        chosen = TimeRange.parse_timerange(self.config["timerange"])
        return int(chosen.startts), int(chosen.stopts) or 2**62
