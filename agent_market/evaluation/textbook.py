"""The textbook rows over a folder of candles: what any strategy has to beat, measured in one way.

A decision each `every` candles on those closed by then, filled at an open `delay` candles later; each pair
has an equal share of the capital, and costs are of what is traded (`agent_market.costs`).  Returns are those
of the whole capital, idle money included, at interest 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from freqtrade.exchange import timeframe_to_seconds

from agent_market.costs import net_return, turnover
from agent_market.decision.textbook import TextbookRules, textbook_positions
from agent_market.errors import DataError
from agent_market.evaluation.panel_builder import read_candles
from agent_market.stats.bootstrap import MeanTest, paired_mean_test

Floats = npt.NDArray[np.float64]

DAY_S = 86_400
_FILE = re.compile(r"^([A-Z0-9]+)_([A-Z0-9]+)-(\d+[mhd])\.feather$")
_RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class PriceGrid:
    """Prices of P pairs on equally spaced bars.

    * `closes` (B,): times at which bars close, seconds, equally spaced by `timeframe_s`;
    * `close` (B, P): the last close known then, NaN before a pair's first candle;
    * `fill` (B, P): the first open at or after `closes`, NaN beyond a pair's last candle: the price of
      an order placed then; `funding` (B, P): charged to longs over the bar before, or None.
    """

    pairs: tuple[str, ...]
    timeframe_s: int
    closes: npt.NDArray[np.int64]
    close: Floats
    fill: Floats
    funding: Floats | None = None

    @property
    def bars_per_day(self) -> int:
        return DAY_S // self.timeframe_s


@dataclass(frozen=True, slots=True)
class Row:
    """One strategy: returns of the whole capital by day (index: UTC midnights that end the day), and how.

    `sharpe` is annualised with sqrt(365) at a risk-free rate of 0 (NaN without variation); `drawdown` the
    largest fall, a fraction of the high before; `capital` the mean share of the capital in the market;
    `turnover` units of the whole capital traded a year, both sides counted.
    """

    name: str
    daily: pd.Series
    total: float
    sharpe: float
    drawdown: float
    capital: float
    turnover: float

    def sharpe_by_year(self) -> dict[int, float]:
        """Sharpe ratio of each calendar year; NaN for fewer than 30 days."""
        years = (pd.DatetimeIndex(self.daily.index) - pd.Timedelta(days=1)).year
        return {
            int(str(year)): sharpe_of(part.to_numpy()) if len(part) >= 30 else float("nan")
            for year, part in self.daily.groupby(years)
        }


def pairs_in(folder: Path, timeframe: str = "1h") -> tuple[str, ...]:
    """Spot pairs that a folder of freqtrade's feather files holds at a timeframe, sorted.

    :raises DataError: there is none.
    """
    named = [_FILE.match(path.name) for path in folder.glob("*.feather")]
    found = sorted(f"{m[1]}/{m[2]}" for m in named if m is not None and m[3] == timeframe)
    if not found:
        raise DataError(f"no {timeframe} candles such as BTC_USDT-{timeframe}.feather in {folder}")
    return tuple(found)


def price_grid(candles: Mapping[str, pd.DataFrame], timeframe: str) -> PriceGrid:
    """Candles of several pairs on one grid, from the first candle of any to the last of any.

    :param candles: frames with date (UTC, the open time), open and close, by pair.
    :raises DataError: no pair, or a price that is not a positive number.
    """
    if not candles:
        raise DataError("no candles to compare on")
    step = timeframe_to_seconds(timeframe)
    opens = {p: pd.DatetimeIndex(f["date"]).as_unit("s").asi8.astype(np.int64) for p, f in candles.items()}
    first, last = min(o[0] for o in opens.values()), max(o[-1] for o in opens.values())
    closes = np.arange(first + step, last + step + 1, step, dtype=np.int64)
    close, fill = (np.full((len(closes), len(candles)), np.nan) for _ in range(2))
    for column, (pair, frame) in enumerate(candles.items()):
        prices = {name: frame[name].to_numpy(dtype=np.float64) for name in ("open", "close")}
        if not all(np.isfinite(p).all() and (p > 0).all() for p in prices.values()):
            raise DataError(f"{pair} has an open or close that is not a positive number; mend or drop it")
        known = np.searchsorted(opens[pair] + step, closes, side="right") - 1
        close[:, column] = np.where(known >= 0, prices["close"][np.maximum(known, 0)], np.nan)
        later = np.searchsorted(opens[pair], closes)
        inside = later < len(opens[pair])
        fill[:, column] = np.where(inside, prices["open"][np.minimum(later, len(opens[pair]) - 1)], np.nan)
    return PriceGrid(tuple(candles), step, closes, close, fill)


def read_price_grid(folder: Path, timeframe: str = "1h") -> PriceGrid:
    """All spot pairs of a folder as a grid.

    :raises DataError: see `pairs_in` and `price_grid`.
    """
    return price_grid(read_candles(folder, pairs_in(folder, timeframe), timeframe), timeframe)


def textbook_rows(
    grid: PriceGrid,
    first: pd.Timestamp,
    last: pd.Timestamp,
    side_cost: float,
    every: int = 12,
    delay: int = 1,
    rules: TextbookRules | None = None,
) -> tuple[Row, ...]:
    """Every textbook row from the decision at `first` to the fill after the one at `last`."""
    positions = textbook_positions(grid.close, grid.pairs, grid.bars_per_day, grid.funding, rules)
    return tuple(
        measure_positions(name, position, grid, first, last, side_cost, every, delay)
        for name, position in positions.items()
    )


def measure_positions(
    name: str,
    position: Floats,
    grid: PriceGrid,
    first: pd.Timestamp,
    last: pd.Timestamp,
    side_cost: float,
    every: int = 12,
    delay: int = 1,
) -> Row:
    """Money of a path of positions, decided on a grid of `every` bars counted from the epoch.

    :param position: (B, P) shares of each pair's capital, by the bar at whose close they are decided.
    :raises DataError: fewer than two decisions in the span.
    """
    moments = np.flatnonzero(
        (grid.closes % (every * grid.timeframe_s) == 0)
        & (grid.closes >= int(first.timestamp()))
        & (grid.closes <= int(last.timestamp()))
    )
    moments = moments[moments + delay < len(grid.closes)]
    if len(moments) < 3:
        raise DataError(f"{len(moments)} decisions between {first} and {last}; give a longer span")
    price = grid.fill[moments + delay]
    market = np.nan_to_num(price[1:] / price[:-1] - 1.0)
    held = position[moments][:-1]
    held = np.where(np.isnan(price[:-1]), 0.0, held)
    before = np.vstack([np.zeros_like(held[:1]), held[:-1]])
    made = np.asarray(net_return(held, before, market, side_cost)).mean(axis=1)
    if grid.funding is not None:
        charged = np.add.reduceat(np.nan_to_num(grid.funding), moments, axis=0)[:-1]
        made = made - (held * charged).mean(axis=1)
    ends = pd.to_datetime(grid.closes[moments[1:]], unit="s", utc=True)
    daily = (1.0 + pd.Series(made, index=ends)).groupby(ends.ceil("D")).prod() - 1.0
    equity = np.cumprod(1.0 + np.concatenate([[0.0], made]))
    days = (grid.closes[moments[-1]] - grid.closes[moments[0]]) / DAY_S
    return Row(
        name=name,
        daily=daily,
        total=float(equity[-1] - 1.0),
        sharpe=sharpe_of(daily.to_numpy()),
        drawdown=float((1.0 - equity / np.maximum.accumulate(equity)).max()),
        capital=float(np.abs(held).mean()),
        turnover=float(turnover(held).mean(axis=1).sum() * 365.0 / days),
    )


def row_of_equity(name: str, equity: pd.Series, invested: pd.Series, turned_over: float) -> Row:
    """A row from an account's value: `equity` and `invested` on one index of UTC times.

    :param turned_over: value of all fills over the mean equity, in units of the capital.
    """
    at_midnight = equity[equity.index == pd.DatetimeIndex(equity.index).floor("D")]
    daily = at_midnight.pct_change().iloc[1:]
    days = (equity.index[-1] - equity.index[0]) / pd.Timedelta(days=1)
    return Row(
        name=name,
        daily=daily,
        total=float(equity.iloc[-1] / equity.iloc[0] - 1.0),
        sharpe=sharpe_of(np.asarray(daily, dtype=np.float64)),
        drawdown=float((1.0 - equity / equity.cummax()).max()),
        capital=float((invested / equity).mean()),
        turnover=turned_over * 365.0 / days,
    )


def sharpe_of(daily: Floats) -> float:
    """Mean over sample deviation of daily returns, annualised with sqrt(365); NaN without variation."""
    deviation = float(daily.std(ddof=1)) if len(daily) > 1 else 0.0
    return float(daily.mean() / deviation * np.sqrt(365.0)) if deviation > 1e-12 else float("nan")


def compare(ours: Row, theirs: Row) -> MeanTest:
    """The paired difference of daily returns, each scaled to 1% a day over the common days.

    Scaling makes it a difference of Sharpe ratios (times sqrt(365)/100 a year), with the stationary block
    bootstrap of `stats.bootstrap` over days.
    """
    both = ours.daily.index.intersection(theirs.daily.index)
    scaled = [
        row.daily.loc[both].to_numpy() / max(row.daily.loc[both].std(), 1e-12) for row in (ours, theirs)
    ]
    return paired_mean_test(scaled[0] - scaled[1], resamples=_RESAMPLES)


def table(rows: tuple[Row, ...]) -> str:
    """The rows as aligned text: Sharpe, drawdown, total, capital used, turnover, and Sharpe by year."""
    years = sorted({year for row in rows for year in row.sharpe_by_year()})
    head = f"{'':40s} {'Sharpe':>7} {'fall %':>7} {'total %':>8} {'capital %':>9} {'turns/y':>8}"
    lines = [head + "".join(f" {year:>6}" for year in years)]
    for row in rows:
        by_year = row.sharpe_by_year()
        lines.append(
            f"{row.name:40s} {row.sharpe:7.2f} {100 * row.drawdown:7.1f} {100 * row.total:8.1f} "
            f"{100 * row.capital:9.1f} {row.turnover:8.1f}"
            + "".join(f" {by_year.get(year, float('nan')):6.2f}" for year in years)
        )
    return "\n".join(lines)
