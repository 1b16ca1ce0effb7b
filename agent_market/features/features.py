"""Market features: what one candle series says about itself, as dimensionless numbers.

`FEATURES` is the one table of names, groups, formulas and ranges; `docs/reference/features.md` is made from
it. Three rules hold for every column:

* **causal**: the value at row t reads rows <= t only;
* **scale free**: multiplying all prices, or all volumes, by a constant changes nothing;
* **finite memory**: row t depends on the last `WARM_UP` rows only, so that a bot that starts with a
  thousand candles sees what a backtest over years saw. Windows are finite by nature; MACD, the one
  recursive indicator, is shown only after its start-up error has died out. This is also why the RSI is
  Cutler's (plain sums) and not Wilder's, whose value in a flat market rests on candles of any age.

Windows count rows, not hours: a gap that freqtrade filled is flat candles of zero volume, one that it
did not fill is a single step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import talib

from agent_market.errors import DataError
from agent_market.features.rolling import (
    lagged,
    ratio,
    rolling_max,
    rolling_mean_std,
    rolling_min,
    rolling_percentile,
    rolling_sum,
)
from agent_market.utils.arrays import Floats

Group = Literal["trend", "reversion", "volatility", "volume"]

WARM_UP = 400
"""Candles, counted from the first known one, after which every feature is present and independent of older.

Windows need 264. MACD's error after n candles is at most about 4 (25/27)^n times the largest log-price
step before them, over the volatility; 400 candles hold it under 1e-6 even for a hundredfold jump followed
by a market at `VOLATILITY_FLOOR`.
"""

VOLATILITY_FLOOR = 1e-5
"""Least volatility per candle (0.001%) that anything is divided by: a flat market gives 0, not infinity."""

RETURN_HORIZONS = (1, 4, 12, 24, 72, 168)
_CANDLE_COLUMNS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature. `r` in formulas is the log return of one candle, C, H, L, V the candle's columns."""

    name: str
    group: Group
    meaning: str
    formula: str
    range: str
    source: str


def _return_spec(horizon: int) -> FeatureSpec:
    meaning = f"simple return over {horizon} candle{'s' if horizon > 1 else ''}"
    return FeatureSpec(f"return_{horizon}", "trend", meaning, f"C / C[-{horizon}] - 1", "> -1", "")


FEATURES: tuple[FeatureSpec, ...] = (
    *(_return_spec(horizon) for horizon in RETURN_HORIZONS),
    FeatureSpec(
        "trend",
        "trend",
        "strength of the 72-candle trend, standard normal for a random walk",
        "sum(r) / sqrt(sum(r^2)), 72 candles; 0 if flat",
        "-8.5..8.5, mostly -3..3",
        "momentum over risk: Moskowitz, Ooi & Pedersen 2012; self-normalised: de la Peña et al. 2009",
    ),
    FeatureSpec(
        "macd_hist",
        "trend",
        "acceleration of the trend, in volatilities",
        "MACD(12, 26, 9) histogram of ln C / max(volatility_24, 1e-5)",
        "real, mostly -1..1",
        "Appel 1979, Aspray 1986; TA-Lib",
    ),
    FeatureSpec(
        "efficiency_24",
        "trend",
        "how straight 24 candles ran, signed",
        "sum(r) / sum(|r|), 24 candles; 0 if flat",
        "-1..1",
        "Kaufman 1995, efficiency ratio, signed",
    ),
    FeatureSpec(
        "rsi_14",
        "reversion",
        "share of gains in the last 14 moves",
        "sum(gains) / (sum(gains) + sum(losses)), 14 candles; 0.5 if flat",
        "0..1",
        "Wilder 1978 with Cutler's plain sums",
    ),
    FeatureSpec(
        "bollinger_z",
        "reversion",
        "log price from its 20-candle mean, in deviations",
        "(ln C - mean(ln C)) / max(std(ln C), 1e-5), 20 candles, sample std",
        "-4.3..4.3",
        "Bollinger 1983",
    ),
    FeatureSpec(
        "channel_position",
        "reversion",
        "place in the 168-candle channel, 0 = its low",
        "(C - min L) / (max H - min L), 168 candles; 0.5 if flat",
        "0..1",
        "Donchian channel; stochastic %K, Lane 1957",
    ),
    FeatureSpec(
        "volatility_24",
        "volatility",
        "realised volatility of one candle over 24",
        "std(r), 24 candles, sample std",
        ">= 0",
        "",
    ),
    FeatureSpec(
        "volatility_168",
        "volatility",
        "realised volatility of one candle over 168",
        "std(r), 168 candles, sample std",
        ">= 0",
        "",
    ),
    FeatureSpec(
        "volatility_ratio",
        "volatility",
        "recent against longer volatility",
        "max(volatility_24, 1e-5) / max(volatility_168, 1e-5)",
        "> 0, 1 = unchanged",
        "",
    ),
    FeatureSpec(
        "volatility_percentile",
        "volatility",
        "rank of volatility_24 among its last 240, 1 = highest",
        "(rank - 1) / 239, ties share their mean rank",
        "0..1",
        "",
    ),
    FeatureSpec(
        "range_volatility_24",
        "volatility",
        "volatility of one candle from its high-low range",
        "sqrt(mean(ln(H / L)^2) / (4 ln 2)), 24 candles",
        ">= 0",
        "Parkinson 1980",
    ),
    FeatureSpec(
        "downside_share_72",
        "volatility",
        "share of variance that falling candles made",
        "sum(r^2 where r < 0) / sum(r^2), 72 candles; 0.5 if flat",
        "0..1",
        "realised semivariance: Barndorff-Nielsen, Kinnebrock & Shephard 2010",
    ),
    FeatureSpec(
        "drawdown",
        "volatility",
        "loss from the 168-candle high, positive",
        "1 - C / max(H), 168 candles",
        "0..1",
        "",
    ),
    FeatureSpec(
        "volume_z",
        "volume",
        "volume against its usual level, in standard deviations",
        "(s - mean(s)) / std(s), s = sqrt(V), 168 candles; 0 if constant",
        "-12.9..12.9, mostly -2..4",
        "square root: defined at zero volume, tames the heavy tail",
    ),
    FeatureSpec(
        "volume_trend",
        "volume",
        "recent against longer volume",
        "(a - b) / (a + b), a = mean V of 24, b = of 168 candles; 0 if none traded",
        "-1..0.75",
        "",
    ),
    FeatureSpec(
        "volume_balance_24",
        "volume",
        "volume of rising less falling candles, as a share of all",
        "sum(sign(r) V) / sum(V), 24 candles; 0 if none traded",
        "-1..1",
        "on-balance volume, Granville 1963, over a window",
    ),
    FeatureSpec(
        "chaikin_flow_24",
        "volume",
        "volume weighted by where candles closed in their range",
        "sum(m V) / sum(V), m = (2C - H - L) / (H - L), 24 candles; 0 if none traded",
        "-1..1",
        "Chaikin money flow",
    ),
)


def market_features(candles: pd.DataFrame) -> pd.DataFrame:
    """Every feature of `FEATURES` at every candle.

    :param candles: T >= 0 rows in time order with open, high, low, close (> 0) and volume (>= 0).
    :return: float64 frame (T, len(FEATURES)) with the index of `candles`, columns in the order of
        `FEATURES`. NaN while a window is not full, and where it holds a candle without a price (NaN, zero
        or negative) or, for the volume group, without a volume (NaN or negative). Never infinite.
    :raises DataError: a candle column is missing.
    """
    missing = [name for name in _CANDLE_COLUMNS if name not in candles]
    if missing:
        raise DataError(
            f"candles lack {', '.join(missing)}; they have {', '.join(map(str, candles.columns))}"
        )
    series = _Series.of(candles)
    columns = {**_trend(series), **_reversion(series), **_volatility(series), **_volume(series)}
    return pd.DataFrame({spec.name: columns[spec.name] for spec in FEATURES}, index=candles.index)


@dataclass(frozen=True, slots=True)
class _Series:
    """Candle columns as arrays (T,), impossible values made NaN, and what several features share."""

    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    log_close: Floats
    log_return: Floats
    volatility_24: Floats

    @classmethod
    def of(cls, candles: pd.DataFrame) -> _Series:
        high, low, close = (_known(candles[name], zero=False) for name in ("high", "low", "close"))
        log_close = np.log(close)
        log_return = log_close - lagged(log_close, 1)
        return cls(
            high=high,
            low=low,
            close=close,
            volume=_known(candles["volume"], zero=True),
            log_close=log_close,
            log_return=log_return,
            volatility_24=rolling_mean_std(log_return, 24)[1],
        )


def _trend(s: _Series) -> dict[str, Floats]:
    r = s.log_return
    returns = {f"return_{h}": s.close / lagged(s.close, h) - 1.0 for h in RETURN_HORIZONS}
    return {
        **returns,
        "trend": ratio(rolling_sum(r, 72), np.sqrt(rolling_sum(r * r, 72)), if_zero=0.0),
        "macd_hist": _macd_histogram(s.log_close) / np.maximum(s.volatility_24, VOLATILITY_FLOOR),
        "efficiency_24": ratio(rolling_sum(r, 24), rolling_sum(np.abs(r), 24), if_zero=0.0),
    }


def _reversion(s: _Series) -> dict[str, Floats]:
    r = s.log_return
    gains = rolling_sum(np.maximum(r, 0.0), 14)
    losses = rolling_sum(np.maximum(-r, 0.0), 14)
    mean, std = rolling_mean_std(s.log_close, 20)
    low, high = rolling_min(s.low, 168), rolling_max(s.high, 168)
    return {
        "rsi_14": ratio(gains, gains + losses, if_zero=0.5),
        "bollinger_z": (s.log_close - mean) / np.maximum(std, VOLATILITY_FLOOR),
        "channel_position": np.clip(ratio(s.close - low, high - low, if_zero=0.5), 0.0, 1.0),
    }


def _volatility(s: _Series) -> dict[str, Floats]:
    r = s.log_return
    volatility_168 = rolling_mean_std(r, 168)[1]
    short, long = (np.maximum(v, VOLATILITY_FLOOR) for v in (s.volatility_24, volatility_168))
    squares = rolling_sum(r * r, 72)
    spans = np.log(s.high / s.low)
    return {
        "volatility_24": s.volatility_24,
        "volatility_168": volatility_168,
        "volatility_ratio": short / long,
        "volatility_percentile": rolling_percentile(s.volatility_24, 240),
        "range_volatility_24": np.sqrt(rolling_sum(spans * spans, 24) / (24 * 4 * np.log(2))),
        "downside_share_72": ratio(rolling_sum(np.minimum(r, 0.0) ** 2, 72), squares, if_zero=0.5),
        "drawdown": np.clip(1.0 - s.close / rolling_max(s.high, 168), 0.0, 1.0),
    }


def _volume(s: _Series) -> dict[str, Floats]:
    root = np.sqrt(s.volume)
    mean, std = rolling_mean_std(root, 168)
    recent, usual = rolling_sum(s.volume, 24) / 24, rolling_sum(s.volume, 168) / 168
    traded = rolling_sum(s.volume, 24)
    place = np.clip(ratio(2 * s.close - s.high - s.low, s.high - s.low, if_zero=0.0), -1.0, 1.0)
    return {
        "volume_z": ratio(root - mean, np.maximum(std, 1e-6 * mean), if_zero=0.0),
        "volume_trend": ratio(recent - usual, recent + usual, if_zero=0.0),
        "volume_balance_24": ratio(rolling_sum(np.sign(s.log_return) * s.volume, 24), traded, if_zero=0.0),
        "chaikin_flow_24": ratio(rolling_sum(place * s.volume, 24), traded, if_zero=0.0),
    }


def _macd_histogram(log_close: Floats) -> Floats:
    """MACD histogram of the log price, from the candle on at which its start no longer matters.

    A missing price is bridged with the one before it (else the recursion would stay NaN for ever), and
    the missing row itself stays NaN.
    """
    known = np.flatnonzero(~np.isnan(log_close))
    if not len(known):
        return np.full(len(log_close), np.nan)
    bridged = np.asarray(pd.Series(log_close).ffill(), dtype=np.float64)
    histogram = np.asarray(talib.MACD(bridged, fastperiod=12, slowperiod=26, signalperiod=9)[2])
    histogram[: known[0] + WARM_UP - 1] = np.nan
    histogram[np.isnan(log_close)] = np.nan
    return histogram


def _known(column: pd.Series, *, zero: bool) -> Floats:
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    possible = np.isfinite(values) & ((values >= 0.0) if zero else (values > 0.0))
    return np.where(possible, values, np.nan)


TRAINED = "%-"
