"""Stops, takes and time limits of the account are freqtrade's: the same rules through its own `Backtesting`.

The strategy's `custom_stoploss` is that of a guarded strategy (`risk.stops`), `hold_most` its `custom_exit`,
and `take` an exit signal.  Freqtrade decides by itself when each of them closes a trade; every fill (candle,
amount, price) and every balance must be the account's, to 1e-9 relative.  The random candles gap, and their
ranges are wide enough for stops on the entry's own candle.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.persistence import LocalTrade

from agent_market.config import StopRule
from agent_market.rl.env.account import CAUSES, STOPPED
from agent_market.rl.env.market import MarketArrays, funding_due, market_arrays, price_ranges
from agent_market.rl.env.replay import Replay, replay_actions
from agent_market.rl.env.settings import EnvSettings
from agent_market.sandbox.market import StandingMarket, SyntheticSource
from tests.helpers.freqtrade_parity import BALANCE, EXACT, HOUR, Desk, Script, desk, freqtrade_fills
from tests.helpers.workspace import sandbox

CANDLES = 300
SHORT, FLAT, LONG = 0.0, 1.0, 2.0
STRATEGY = '''
from datetime import timedelta

from freqtrade.persistence import LocalTrade
from freqtrade.strategy import IStrategy, stoploss_from_absolute

from agent_market.risk.stops import average_true_range, stop_distance

BALANCE = 1_000_000.0


class Scripted(IStrategy):
    """Enters, resizes and leaves by `script`; stops and time limits are its own."""

    INTERFACE_VERSION = 3
    timeframe = "1h"
    can_short = SHORT
    minimal_roi = {"0": 1000}
    stoploss = -0.99
    position_adjustment_enable = True
    script = None
    rule = None
    hold_most = None
    targets = None
    share = 1.0
    depth = 0.0

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        if self.rule is not None:
            prices = (dataframe[name].to_numpy() for name in ("high", "low", "close"))
            dataframe["atr"] = average_true_range(*prices, self.rule.atr_candles)
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        for name, values in self.script.signals.items():
            dataframe[name] = values
        return dataframe

    def leverage(self, **kwargs):
        return self.script.leverage

    def custom_stake_amount(self, current_time, current_rate, proposed_stake, leverage, **kwargs):
        if self.targets is not None:
            self.depth = self.targets[current_time]
            return self.depth * self.share * self.wallets.get_total("USDT")
        amount = self.script.entries.get(current_time)
        return proposed_stake if amount is None else amount * current_rate / leverage

    def adjust_trade_position(self, trade, current_time, current_rate, **kwargs):
        if self.targets is not None:
            return self.resized(trade, self.targets[current_time], current_rate)
        amount = self.script.changes.get(current_time)
        if amount is None:
            return None
        if amount > 0:
            return amount * current_rate / trade.leverage
        return amount * trade.stake_amount / trade.amount

    def resized(self, trade, depth, rate):
        """The stake that brings a long trade to `depth` of what the account is worth, entry fees paid."""
        if depth in (0.0, self.depth):
            return None
        equity = BALANCE + LocalTrade.bt_total_profit + trade.amount * rate
        for order in trade.orders:
            value = order.filled * order.price
            bought = order.ft_order_side == "buy"
            equity -= value * (1.0 + trade.fee_open) if bought else -value * (1.0 - trade.fee_close)
        change = depth * self.share * equity / rate - trade.amount
        if change * (depth - self.depth) <= 0.0:
            return None
        self.depth = depth
        return change * rate if change > 0.0 else change * trade.stake_amount / trade.amount

    def custom_stoploss(self, pair, trade, current_time, current_rate, current_profit, after_fill, **kwargs):
        frame, _ = self.dp.get_analyzed_dataframe(pair, self.timeframe)
        distance = stop_distance(float(frame["atr"].iloc[-1]), current_rate, self.rule)
        sign = -1 if trade.is_short else 1
        level = current_rate * (1.0 - sign * distance)
        return stoploss_from_absolute(level, current_rate, trade.is_short, trade.leverage) or None

    def custom_exit(self, pair, trade, current_time, current_rate, current_profit, **kwargs):
        if self.hold_most and current_time - trade.open_date_utc >= timedelta(hours=self.hold_most):
            return "held_most"
        return None
'''


def _marks(number: int, quick: int) -> list[pytest.MarkDecorator]:
    """As many again as the quick ones are slow, and the rest of the hundred nightly too."""
    marks = [pytest.mark.slow] if number >= quick else []
    return [*marks, pytest.mark.nightly] if number >= 2 * quick else marks


def seeds(quick: int, all_of_them: int) -> list[Any]:
    """The first `quick` seeds, and the others marked slow."""
    return [pytest.param(n, marks=_marks(n, quick)) for n in range(all_of_them)]


@pytest.fixture(scope="module")
def desks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, Desk]]:
    with sandbox(StandingMarket(SyntheticSource(seed=7))) as (endpoints, _):
        folders = {futures: tmp_path_factory.mktemp(f"futures{futures}") for futures in (False, True)}
        yield {futures: desk(folder, endpoints, futures, STRATEGY) for futures, folder in folders.items()}
        Backtesting.cleanup()


def gapping_market(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Candles on the price grid with gaps of some per cent and wide ranges, and funding every eight hours."""
    gaps = np.where(
        rng.random(CANDLES) < 0.08, rng.normal(0.0, 0.04, CANDLES), rng.normal(0.0, 0.001, CANDLES)
    )
    steps = rng.normal(0.0, 0.01, CANDLES)
    close = 30_000.0 * np.exp(np.cumsum(gaps + steps))
    opened, close = np.round(close / np.exp(steps), 1), np.round(close, 1)
    candles = pd.DataFrame(
        {
            "date": pd.date_range("2024-03-01 05:00", periods=CANDLES, freq="h", tz="UTC"),
            "open": opened,
            "high": np.round(np.maximum(opened, close) * (1.0 + rng.exponential(0.006, CANDLES)), 1),
            "low": np.round(np.minimum(opened, close) * (1.0 - rng.exponential(0.006, CANDLES)), 1),
            "close": close,
            "volume": 1.0,
        }
    )
    due = candles[candles["date"].dt.hour % 8 == 0]
    rates, marks = rng.normal(0.0001, 0.0003, len(due)), np.round(due["open"] * 1.0003, 1)
    return candles, pd.DataFrame({"date": due["date"], "rate": rates, "mark": marks})


def arrays_of(
    candles: pd.DataFrame, events: pd.DataFrame | None, settings: EnvSettings, take: np.ndarray | None
) -> MarketArrays:
    funding = None
    if events is not None:
        times = (candles["date"] - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(seconds=1)
        funding = funding_due(times.to_numpy(), HOUR, events)
    ranges = price_ranges(candles, settings.stop.atr_candles if settings.stop else 14, take)
    return market_arrays(candles, pd.DataFrame({"nothing": np.zeros(CANDLES)}), funding, ranges)


def random_settings(rng: np.random.Generator, theirs: Desk, actions: str, rule: str) -> EnvSettings:
    floor = float(rng.uniform(0.003, 0.02))
    return EnvSettings(
        actions=actions,  # type: ignore[arg-type]
        balance=BALANCE,
        stake_fraction=0.8 if actions == "target" else 1.0,
        leverage=float(rng.integers(1, 4)) if theirs.futures else 1.0,
        can_short=theirs.futures,
        fee=theirs.backtesting.fee,
        slippage=0.0,
        amount_step=theirs.amount_step,
        min_change=0.05,
        price_step=float(theirs.backtesting.exchange.get_precision_price(theirs.pair) or 0.0),
        max_drawdown=1.0,
        stop=StopRule(
            rule=rule,  # type: ignore[arg-type]
            atr_candles=int(rng.integers(2, 20)),
            atr_multiple=float(rng.uniform(0.5, 3.0)),
            floor=floor,
            ceiling=floor + float(rng.uniform(0.01, 0.04)),
        ),
        stop_distance=float(rng.uniform(0.005, 0.04)),
        use_take=True,
        hold_most=int(rng.integers(3, 40)) if rng.random() < 0.7 else None,
    )


def held_for_a_while(rng: np.random.Generator, draw: Any) -> np.ndarray:
    """(T,) values of `draw`, each kept for some candles."""
    values, value = np.zeros(CANDLES), draw()
    for row in range(CANDLES):
        value = draw() if rng.random() < 0.15 else value
        values[row] = value
    return values


def signals_of(wanted: np.ndarray, take: np.ndarray) -> dict[str, np.ndarray]:
    """Entry and exit signals of a wanted side (-1, 0, 1), on which `take` puts an end."""
    side = np.where(take, 0.0, np.sign(wanted))
    return {
        "enter_long": (side > 0.0).astype(float),
        "exit_long": (side <= 0.0).astype(float),
        "enter_short": (side < 0.0).astype(float),
        "exit_short": (side >= 0.0).astype(float),
    }


def resized_and_left(ours: Replay) -> np.ndarray:
    """Rows on which a position was changed at the open and closed within the same candle."""
    rows, counts = np.unique(ours.fills["row"], return_counts=True)
    return rows[counts > 1]


def run_theirs(
    theirs: Desk,
    candles: pd.DataFrame,
    events: pd.DataFrame,
    script: Script,
    settings: EnvSettings,
    **also: Any,
) -> dict[str, Any]:
    strategy = theirs.backtesting.strategylist[0]
    rule = settings.stop
    atr = rule is not None and rule.rule == "atr"
    strategy.rule = rule if atr else None
    strategy.use_custom_stoploss = atr
    strategy.stoploss = -0.99 if atr or rule is None else -settings.stop_distance * settings.leverage
    strategy.hold_most = settings.hold_most
    strategy.targets, strategy.depth, strategy.share = None, 0.0, settings.stake_fraction
    for name, value in also.items():
        setattr(strategy, name, value)
    return theirs.run(candles, events, script)


def assert_same(ours: Replay, result: dict[str, Any], candles: pd.DataFrame) -> None:
    fills, theirs = ours.fills, freqtrade_fills(candles)
    assert [row for row, *_ in theirs] == fills["row"].tolist()
    np.testing.assert_allclose([a for _, a, _ in theirs], fills["amount"], rtol=EXACT)
    np.testing.assert_allclose([p for *_, p in theirs], fills["price"], rtol=EXACT)
    assert result["final_balance"] == pytest.approx(ours.equity[-1], rel=EXACT)
    row_of = {when: row for row, when in enumerate(candles["date"])}
    quantity = np.zeros(CANDLES)
    np.add.at(quantity, fills["row"], fills["amount"])
    flat = np.abs(np.cumsum(quantity)) < 1e-9
    trades = result["results"]
    assert trades["close_date"].is_monotonic_increasing
    balances = BALANCE + trades["profit_abs"].cumsum()
    balances.index = [row_of[closed] for closed in trades["close_date"]]
    balances = balances.groupby(level=0).last()  # turned round and stopped within one candle: two
    balances = balances[flat[balances.index]]
    np.testing.assert_allclose(balances, ours.equity[balances.index], rtol=EXACT)
    assert len(balances) > 3


@pytest.mark.parametrize("seed", seeds(8, 25))
@pytest.mark.parametrize(
    ("futures", "rule"), [(False, "fixed"), (False, "atr"), (True, "fixed"), (True, "atr")]
)
def test_freqtrade_stops_takes_and_times_out_where_the_account_does(
    desks: dict[bool, Desk], futures: bool, rule: str, seed: int
) -> None:
    rng = np.random.default_rng([seed, futures, len(rule)])
    theirs = desks[futures]
    candles, events = gapping_market(rng)
    settings = random_settings(rng, theirs, "sides", rule)
    actions = held_for_a_while(rng, lambda: float(rng.integers(3)))
    take = rng.random(CANDLES) < 0.03
    ours = replay_actions(arrays_of(candles, events if futures else None, settings, take), settings, actions)
    assert np.count_nonzero(ours.fills["cause"] == STOPPED) > 0
    script = Script(signals_of(actions - FLAT, take), {}, {}, settings.leverage)
    assert_same(ours, run_theirs(theirs, candles, events, script, settings), candles)


@pytest.mark.parametrize("seed", seeds(5, 20))
@pytest.mark.parametrize(("futures", "rule"), [(False, "atr"), (True, "fixed"), (True, "atr")])
def test_a_position_that_is_resized_keeps_freqtrades_stop(
    desks: dict[bool, Desk], futures: bool, rule: str, seed: int
) -> None:
    """Entries and changes are given as amounts; when a stop or a limit closes them, freqtrade decides."""
    rng = np.random.default_rng([seed, futures, len(rule), 1])
    theirs = desks[futures]
    candles, events = gapping_market(rng)
    settings = random_settings(rng, theirs, "target", rule)
    actions = held_for_a_while(rng, lambda: float(rng.uniform(-1.0, 1.0)))
    take = rng.random(CANDLES) < 0.03
    ours = replay_actions(arrays_of(candles, events if futures else None, settings, take), settings, actions)
    # Freqtrade charges what is reduced and stopped at a funding time twice, see `account`: not then.
    while futures and (odd := events["date"].isin(candles["date"].iloc[resized_and_left(ours)])).any():
        events = events[~odd]
        ours = replay_actions(arrays_of(candles, events, settings, take), settings, actions)
    entries, changes, held = {}, {}, 0.0
    half = theirs.amount_step / 2
    signals = {name: np.zeros(CANDLES) for name in signals_of(actions, take)}
    for fill in ours.fills:
        row, amount, now = int(fill["row"]), float(fill["amount"]), held + float(fill["amount"])
        now = 0.0 if abs(now) < half else now
        when = candles["date"].iloc[row]
        if held == 0.0:
            entries[when] = abs(amount) + half
            signals["enter_long" if now > 0.0 else "enter_short"][row - 1] = 1
        elif now != 0.0:
            grown = abs(now) - abs(held)
            changes[when] = grown + np.copysign(half, grown)
        elif CAUSES[fill["cause"]] in ("asked", "take"):
            signals["exit_long" if held > 0.0 else "exit_short"][row - 1] = 1
        held = now
    assert changes
    script = Script(signals, entries, changes, settings.leverage)
    assert_same(ours, run_theirs(theirs, candles, events, script, settings), candles)


@pytest.mark.parametrize("seed", seeds(4, 15))
@pytest.mark.parametrize("stop", [False, True])
def test_a_share_of_equity_is_held_as_a_strategy_would_by_position_adjustment(
    desks: dict[bool, Desk], stop: bool, seed: int
) -> None:
    """The strategy is given target shares alone: it works out every stake itself, from its own balances."""
    rng = np.random.default_rng([seed, stop, 2])
    theirs = desks[False]
    candles, events = gapping_market(rng)
    settings = random_settings(rng, theirs, "target", "atr").model_copy(
        update={"use_take": False, "hold_most": None, **({} if stop else {"stop": None})}
    )
    actions = held_for_a_while(rng, lambda: max(0.0, round(float(rng.uniform(-0.2, 1.0)), 1)))
    actions[-3:] = actions[-3]  # the account resizes nothing on the last candle
    nothing = np.zeros(CANDLES, dtype=bool)
    ours = replay_actions(arrays_of(candles, None, settings, nothing), settings, actions)
    targets = dict(zip(candles["date"].iloc[1:], actions[:-1], strict=True))
    script = Script(signals_of(actions, nothing), {}, {}, 1.0)
    result = run_theirs(theirs, candles, events, script, settings, targets=targets)
    assert max(len(trade.orders) for trade in LocalTrade.bt_trades) > 2
    assert_same(ours, result, candles)
