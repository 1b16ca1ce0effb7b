"""Candles from a folder of freqtrade feather files (`BTC_USDT-1h.feather`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from agent_market.errors import DataError, SandboxError
from agent_market.sandbox.market.candles import TIMEFRAMES, Candles, resample, timeframe_ms

_NAME = re.compile(r"^([A-Z0-9]+)_([A-Z0-9]+)-(\d+[mhdw])\.feather$")
_COLUMNS = ("date", "open", "high", "low", "close", "volume")
FOREVER = 2**62
_MOST_DECIMALS = 8  # of any Binance price


class FeatherSource:
    """The spot candles of one folder, in their own timeframes and in the larger ones made from them.

    :param folder: a freqtrade data directory, or one whose sub-folder `binance` is one.
    :param pairs: those to serve; all that have a file if None.
    :param start: candles that open before it (ms) are left out.
    :param end: and those that open at it or later.
    :raises DataError: no candle file in the folder, or a file that is not a table of candles.
    :raises SandboxError: a wanted pair has no file.
    """

    def __init__(
        self, folder: Path, pairs: Sequence[str] | None = None, start: int = 0, end: int = FOREVER
    ) -> None:
        files = _files_of(folder) or _files_of(folder / "binance")
        if not files:
            raise DataError(
                f"no candle files in {folder}: expected freqtrade feather files such as BTC_USDT-1h.feather, "
                "there or in its sub-folder `binance`"
            )
        missing = sorted(set(pairs or ()) - set(files))
        if missing:
            raise SandboxError(f"no candle file for {', '.join(missing)}; {folder} holds {', '.join(files)}")
        self._tables = {
            pair: {timeframe: _read(path, start, end) for timeframe, path in files[pair].items()}
            for pair in pairs or files
        }
        self._resampled: dict[tuple[str, str], Candles] = {}
        self._decimals = {
            pair: _decimals(next(iter(tables.values()))) for pair, tables in self._tables.items()
        }

    @property
    def pairs(self) -> tuple[str, ...]:
        return tuple(self._tables)

    @cached_property
    def timeframes(self) -> tuple[str, ...]:
        return tuple(name for name in TIMEFRAMES if all(self._made_from(pair, name) for pair in self._tables))

    def span(self, pair: str) -> tuple[int, int]:
        base = self.timeframes[0]
        table = self._table(pair, base)
        return int(table.time[0]), int(table.time[-1]) + timeframe_ms(base)

    def price_decimals(self, pair: str) -> int:
        return self._decimals[self._known(pair)]

    def candles(self, pair: str, timeframe: str, start: int, end: int) -> Candles:
        return self._table(pair, timeframe).between(start, end)

    def _table(self, pair: str, timeframe: str) -> Candles:
        origin = self._made_from(self._known(pair), timeframe)
        if origin is None:
            raise SandboxError(
                f"no {timeframe} candles of {pair}; the files serve {', '.join(self.timeframes)}"
            )
        if origin == timeframe:
            return self._tables[pair][timeframe]
        key = (pair, timeframe)
        if key not in self._resampled:
            self._resampled[key] = resample(self._tables[pair][origin], timeframe_ms(timeframe))
        return self._resampled[key]

    def _made_from(self, pair: str, timeframe: str) -> str | None:
        """The largest timeframe on file that the wanted one is made of without a remainder."""
        wanted = TIMEFRAMES.get(timeframe, 0)
        fitting = [name for name in self._tables[pair] if wanted and wanted % TIMEFRAMES[name] == 0]
        return max(fitting, key=timeframe_ms, default=None)

    def _known(self, pair: str) -> str:
        if pair not in self._tables:
            raise SandboxError(f"unknown pair {pair!r}; the files hold {', '.join(self._tables)}")
        return pair


def _files_of(folder: Path) -> dict[str, dict[str, Path]]:
    """Files of each pair by timeframe, pairs in alphabetical order."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.glob("*.feather")):
        name = _NAME.match(path.name)
        if name and name[3] in TIMEFRAMES:
            found.setdefault(f"{name[1]}/{name[2]}", {})[name[3]] = path
    return found


def _read(path: Path, start: int, end: int) -> Candles:
    try:
        frame = pd.read_feather(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name} cannot be read as a feather file: {error}") from error
    absent = [name for name in _COLUMNS if name not in frame.columns]
    if absent:
        raise DataError(f"{path.name} has no column {', '.join(absent)}; columns are {list(frame.columns)}")
    if frame.empty:
        raise DataError(f"{path.name} holds no candle")
    holes = frame[list(_COLUMNS)].isna().any(axis=1).to_numpy()
    if holes.any():
        raise DataError(f"{path.name} has an empty value in row {int(np.argmax(holes))}")
    whole = Candles.from_frame(frame)
    backwards = np.diff(whole.time) <= 0
    if backwards.any():
        row = int(np.argmax(backwards)) + 1
        raise DataError(
            f"{path.name}: row {row} ({frame['date'].iloc[row]}) is not later than the one before"
        )
    candles = whole.between(start, end)
    if not len(candles):
        first, last = frame["date"].iloc[0], frame["date"].iloc[-1]
        raise DataError(f"{path.name} has no candle in the range asked for; it runs from {first} to {last}")
    return candles


def _decimals(candles: Candles) -> int:
    """Fewest decimal places that write every price exactly, up to 8."""
    prices = np.unique(np.concatenate([candles.open, candles.high, candles.low, candles.close]))
    exact = (places for places in range(_MOST_DECIMALS) if np.array_equal(np.round(prices, places), prices))
    return next(exact, _MOST_DECIMALS)
