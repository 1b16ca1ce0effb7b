"""A datadir with random candles and a freqtrade config for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

REPOSITORY = Path(__file__).resolve().parents[2]
PAIRS = ("BTC/USDT", "ETH/USDT")
START = "2024-01-01"


def random_candles(rows: int, freq: str, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(0.01 * random.normal(size=rows)))
    opens = np.append(close[0], close[:-1])
    spread = np.exp(0.004 * np.abs(random.normal(size=(2, rows))))
    return pd.DataFrame(
        {
            "date": pd.date_range(START, periods=rows, freq=freq, tz="UTC").as_unit("ms"),
            "open": opens,
            "high": np.maximum(opens, close) * spread[0],
            "low": np.minimum(opens, close) / spread[1],
            "close": close,
            "volume": random.uniform(1.0, 2.0, rows),
        }
    )


def write_market(folder: Path, hours: int = 24 * 60, more: tuple[str, ...] = ()) -> Path:
    """Feather files of both pairs, 1h and the other timeframes."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, pair in enumerate(PAIRS):
        base = random_candles(hours, "h", seed)
        write_candles(folder, pair, "1h", base)
        for timeframe in more:
            resampled = base.resample(timeframe, on="date").agg(
                {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
            )
            write_candles(folder, pair, timeframe, resampled.reset_index())
    return folder


def write_candles(folder: Path, pair: str, timeframe: str, frame: pd.DataFrame) -> None:
    frame.to_feather(folder / f"{pair.replace('/', '_')}-{timeframe}.feather")


def freqtrade_config(**feature_parameters: Any) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((REPOSITORY / "config" / "sandbox.json").read_text())
    config["exchange"]["pair_whitelist"] = list(PAIRS)
    config["freqai"] |= {"train_period_days": 15, "backtest_period_days": 7}
    config["freqai"]["feature_parameters"] |= feature_parameters
    return config
