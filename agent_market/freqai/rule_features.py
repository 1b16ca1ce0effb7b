"""Slow numbers of all pairs at each candle's close, for the arithmetic agents and for sizing.

Trends of 90 days and a mean of 100 need more history than a strategy's startup candles.  In backtests the
whole candle files are read once (every number is causal, so what lies after a row changes nothing in it);
live, the files that FreqAI downloaded at the start are continued with the candles the bot holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from freqtrade.data.history import load_pair_history
from freqtrade.enums import CandleType

from agent_market.agents import rule_agents as rules
from agent_market.decision import textbook

RULE = "rule-"
"""Prefix of the columns. Neither trained on nor seen by language models."""

Floats = npt.NDArray[np.float64]
DAY_S = 86_400
_FUNDING_TIMEFRAMES = ("1h", "8h")


@dataclass
class RuleBook:
    """Closes of all pairs, and the numbers that follow from them.

    `load` gives a pair's candles from disk (date, close), `funding` its funding rates (date, open) or an
    empty frame; each is asked once a pair.
    """

    timeframe_s: int
    volatility_days: int
    load: Callable[[str], pd.DataFrame]
    funding: Callable[[str], pd.DataFrame]
    _closes: dict[str, pd.Series] = field(default_factory=dict)
    _funding: dict[str, pd.Series] = field(default_factory=dict)
    _made: tuple[Any, dict[str, pd.DataFrame]] | None = None

    def columns(self, pair: str, closes: pd.DatetimeIndex, fresh: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
        """(len(closes), numbers) of `pair` at these candle closes; NaN where not known.

        :param fresh: newer candles of each pair (date, close); pairs here and `pair` make up the market.
        """
        for name, frame in fresh.items():
            self._take(name, frame)
        pairs = tuple(sorted({*fresh, pair}))
        key = (pairs, tuple((len(s), s.index[-1]) for s in (self._series(p) for p in pairs) if len(s)))
        if self._made is None or self._made[0] != key:
            self._made = (key, self._numbers(pairs))
        table = self._made[1].get(pair)
        if table is None:
            return pd.DataFrame(index=range(len(closes)))
        return table.reindex(closes).reset_index(drop=True)

    def _series(self, pair: str) -> pd.Series:
        if pair not in self._closes:
            self._closes[pair] = _by_close(self.load(pair), "close", self.timeframe_s)
        return self._closes[pair]

    def _take(self, pair: str, frame: pd.DataFrame) -> None:
        held = self._series(pair)
        new = _by_close(frame, "close", self.timeframe_s)
        newer = new[new.index > held.index[-1]] if len(held) else new
        if len(newer):
            self._closes[pair] = pd.concat([held, newer]) if len(held) else newer

    def _numbers(self, pairs: tuple[str, ...]) -> dict[str, pd.DataFrame]:
        known = [p for p in pairs if len(self._series(p))]
        if not known or self.timeframe_s > DAY_S:
            return {}
        table = pd.DataFrame({p: self._series(p) for p in known})
        step = pd.Timedelta(seconds=self.timeframe_s)
        grid = pd.date_range(table.index[0], table.index[-1], freq=step)
        close = table.reindex(grid).ffill().to_numpy(dtype=np.float64)
        per_day = DAY_S // self.timeframe_s
        index = textbook.market_index(close, known)
        above = textbook.above_mean(close, textbook.FILTER_DAYS, per_day)
        month = textbook.past_return(close, 30 * per_day)
        shared = {
            rules.MARKET_ABOVE: textbook.above_mean(index, textbook.FILTER_DAYS, per_day)[:, 0],
            rules.BREADTH_SHARE: _mean_known(above),
            rules.DISPERSION: _deviation_known(month),
        }
        trend = textbook.trend_share(close, textbook.TREND_DAYS, per_day)
        volatility = textbook.annual_volatility(close, self.volatility_days, per_day)
        return {
            pair: pd.DataFrame(
                {
                    rules.TREND_SHARE: trend[:, n],
                    rules.ANNUAL_VOLATILITY: volatility[:, n],
                    rules.FUNDING: self._annual_funding(pair, grid),
                    **shared,
                },
                index=grid,
            )
            for n, pair in enumerate(known)
        }

    def _annual_funding(self, pair: str, grid: pd.DatetimeIndex) -> Floats:
        """Mean funding of the last 7 days, a year; NaN where none of them is known."""
        if pair not in self._funding:
            rates = _by_close(self.funding(pair), "open", 0)
            self._funding[pair] = rates[~rates.index.duplicated(keep="last")]
        rates = self._funding[pair]
        if not len(rates):
            return np.full(len(grid), np.nan)
        total = np.concatenate([[0.0], np.cumsum(rates.to_numpy())])
        end = rates.index.searchsorted(grid, side="right")
        begin = rates.index.searchsorted(grid - pd.Timedelta(days=7), side="right")
        whole = (grid - pd.Timedelta(days=7) >= rates.index[0]) & (end > begin)
        return np.where(whole, (total[end] - total[begin]) * textbook.DAYS_A_YEAR / 7.0, np.nan)


def add_rules(candles: pd.DataFrame, columns: pd.DataFrame) -> pd.DataFrame:
    """The candles with one `rule-<name>` column for each number."""
    named = columns.add_prefix(RULE).set_axis(candles.index, axis=0)
    return pd.concat([candles.drop(columns=named.columns, errors="ignore"), named], axis=1)


def rule_numbers(dataframe: pd.DataFrame) -> pd.DataFrame:
    """The numbers of each row, without their prefix (NaN = unknown); no column where there are none."""
    names = [c for c in dataframe.columns if str(c).startswith(RULE)]
    return dataframe[names].rename(columns=lambda name: str(name).removeprefix(RULE))


def stored_candles(config: Mapping[str, Any], timeframe: str) -> Callable[[str], pd.DataFrame]:
    """Loads a pair's candles from freqtrade's data folder, all that there are; empty where there are none."""
    kind = CandleType.FUTURES if config.get("trading_mode") == "futures" else CandleType.SPOT
    return lambda pair: _stored(config, pair, (timeframe,), config.get("candle_type_def", kind))


def stored_funding(config: Mapping[str, Any]) -> Callable[[str], pd.DataFrame]:
    """Loads a pair's funding rates; empty on spot."""
    if config.get("trading_mode") != "futures":
        return lambda pair: pd.DataFrame()
    return lambda pair: _stored(config, pair, _FUNDING_TIMEFRAMES, CandleType.FUNDING_RATE)


def _stored(
    config: Mapping[str, Any], pair: str, timeframes: Iterable[str], kind: CandleType
) -> pd.DataFrame:
    for timeframe in timeframes:
        frame = load_pair_history(
            pair=pair,
            timeframe=timeframe,
            datadir=Path(config["datadir"]),
            fill_up_missing=False,
            drop_incomplete=False,
            data_format=config.get("dataformat_ohlcv"),
            candle_type=kind,
        )
        if len(frame):
            return frame
    return pd.DataFrame()


def _by_close(frame: pd.DataFrame, column: str, timeframe_s: int) -> pd.Series:
    if not len(frame):
        return pd.Series(dtype=np.float64, index=pd.DatetimeIndex([], tz="UTC"))
    closes = pd.DatetimeIndex(frame["date"]).tz_convert("UTC").as_unit("s")
    closes = closes + pd.Timedelta(seconds=timeframe_s)
    values = pd.Series(frame[column].to_numpy(dtype=np.float64), index=closes)
    return values[np.isfinite(values.to_numpy()) & ((column != "close") | (values.to_numpy() > 0.0))]


def _mean_known(values: Floats) -> Floats:
    known = np.isfinite(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _deviation_known(values: Floats) -> Floats:
    known = np.isfinite(values)
    mean = _mean_known(values)[:, None]
    squares = np.where(known, (values - mean) ** 2, 0.0).sum(axis=1)
    count = known.sum(axis=1)
    return np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)
