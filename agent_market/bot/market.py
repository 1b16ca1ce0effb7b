"""The market as the gate and breaker see it, from freqtrade's data provider: never later than now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from freqtrade.enums import TRADE_MODES
from freqtrade.exchange import timeframe_to_seconds
from freqtrade.strategy import IStrategy

from agent_market.config import RiskSettings
from agent_market.risk.liquidity import book_liquidity, usual_value
from agent_market.risk.orders import Liquidity
from agent_market.risk.systemic import Readings
from agent_market.risk.tightening import volatility_ratio
from agent_market.utils.arrays import Floats

VIX = "context-vix"
BOOK_LEVELS = 50


class Market:
    """Candles, order books and tickers of one strategy's pairs."""

    def __init__(self, strategy: IStrategy, settings: RiskSettings) -> None:
        self._strategy = strategy
        self._settings = settings
        self.timeframe_s = timeframe_to_seconds(strategy.timeframe)

    @property
    def live(self) -> bool:
        return self._strategy.config.get("runmode") in TRADE_MODES

    @property
    def candles_per_day(self) -> float:
        return 86_400 / self.timeframe_s

    def frame(self, pair: str) -> pd.DataFrame:
        """Analysed candles known now, oldest first; empty where there are none."""
        dataframe: pd.DataFrame = self._strategy.dp.get_analyzed_dataframe(pair, self._strategy.timeframe)[0]
        return dataframe

    def close(self, pair: str) -> float | None:
        """The newest close; None without one."""
        frame = self.frame(pair)
        if not len(frame):
            return None
        close = float(frame["close"].to_numpy()[-1])
        return close if np.isfinite(close) else None

    def newest(self, pair: str) -> pd.Timestamp | None:
        """Open time of the newest analysed candle; None without one."""
        frame = self.frame(pair)
        return pd.Timestamp(frame["date"].iloc[-1]) if len(frame) else None

    def newest_close(self, pairs: Iterable[str]) -> datetime | None:
        """Close of the newest candle of any of `pairs`, in UTC; None without one."""
        opened = [frame["date"].iloc[-1] for frame in map(self.frame, pairs) if len(frame)]
        if not opened:
            return None
        newest = pd.Timestamp(max(opened))
        utc = newest.tz_convert("UTC") if newest.tzinfo else newest.tz_localize("UTC")
        closes: datetime = utc.to_pydatetime() + timedelta(seconds=self.timeframe_s)
        return closes

    def returns(self, pair: str, candles: int) -> pd.Series:
        """The newest returns by candle date, at most `candles`, finite."""
        frame = self.frame(pair)
        if len(frame) < 2:
            return pd.Series(dtype=float)
        # Column first: rows of a whole frame, or two columns of it, would be copies of years of candles.
        close = frame["close"].to_numpy(dtype=float)[-candles - 1 :]
        dates = pd.DatetimeIndex(frame["date"].array[-candles - 1 :][1:])
        values = pd.Series(close[1:] / close[:-1] - 1.0, index=dates)
        return values[np.isfinite(values.to_numpy())]

    def liquidity(self, pair: str, sign: int) -> Liquidity:
        """Traded value from candles, and live spread and depth of the order book (one request).

        :raises Exception: the exchange does not answer; nothing must be ordered then.
        """
        limits = self._settings.liquidity
        frame = self.frame(pair)
        usual = None
        if len(frame):
            close, volume = (
                frame[name].to_numpy(dtype=float)[-limits.volume_candles :] for name in ("close", "volume")
            )
            usual = usual_value(close, volume, limits.volume_candles)
        if not self.live:
            return Liquidity(candle_value=usual)
        book = self._strategy.dp.orderbook(pair, BOOK_LEVELS)
        spread, depth = book_liquidity(book["bids"], book["asks"], sign, limits.depth_band)
        taken = book["asks"] if sign > 0 else book["bids"]
        return Liquidity(spread, depth, usual, float(taken[0][0]) if taken else None)

    def readings(self, pairs: Iterable[str], now: datetime, back: int = 0) -> Readings:
        """What candles say of the market as a whole.

        :param back: how many of the newest candles to leave out: what was said so long ago.
        """
        breaker, tighten = self._settings.breaker, self._settings.tightening
        rows = max(breaker.crashing_candles, tighten.slow_candles) + 1
        moves, falls, volatility, ages = {}, {}, {}, {}
        vix: float | None = None
        for pair in pairs:
            frame = self.frame(pair)
            frame = frame.iloc[max(0, len(frame) - back - rows) : len(frame) - back]
            if not len(frame):
                continue
            close = frame["close"].iloc[-rows:].to_numpy(dtype=float)
            high, low = (float(frame[name].to_numpy()[-1]) for name in ("high", "low"))
            if len(close) > breaker.crashing_candles:
                moves[pair] = float(close[-1] / close[-1 - breaker.crashing_candles] - 1.0)
            falls[pair] = _fall(close, high, low)
            ratio = volatility_ratio(_returns(close), tighten)
            if ratio is not None:
                volatility[pair] = ratio
            if self.live:
                end = pd.Timestamp(frame["date"].iloc[-1]).timestamp() + self.timeframe_s
                ages[pair] = (now.timestamp() - end) / self.timeframe_s
            if vix is None and VIX in frame:
                newest = float(frame[VIX].to_numpy()[-1])
                vix = newest if np.isfinite(newest) else None
        return Readings(_known(moves), _known(falls), {}, volatility, vix, candle_age=ages)


def _known(values: dict[str, float]) -> dict[str, float]:
    """Without what is no number: it must not hide what another pair shows."""
    return {pair: value for pair, value in values.items() if np.isfinite(value)}


def _returns(close: Floats) -> Floats:
    returns = close[1:] / close[:-1] - 1.0
    return returns[np.isfinite(returns)]


def _fall(close: Floats, high: float, low: float) -> float:
    """Fall of the newest candle from its high or the close before, to its close or its low where it fell."""
    top = max(high, float(close[-2])) if len(close) > 1 else high
    bottom = low if len(close) < 2 or close[-1] < close[-2] else float(close[-1])
    return 1.0 - bottom / top if top > 0.0 else 0.0
