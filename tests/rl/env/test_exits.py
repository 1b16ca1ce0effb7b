"""Stops, `take` and `hold_most` of an account: cases worked out by hand, and what holds in any market."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.config import StopRule
from agent_market.errors import ConfigError, DataError
from agent_market.risk.stops import stop_distance
from agent_market.rl.env.account import ASKED, ENDED, HELD_MOST, STOPPED, TAKE
from agent_market.rl.env.batch import TradingBatch
from agent_market.rl.env.market import MarketArrays, market_arrays, price_ranges
from agent_market.rl.env.replay import replay_actions
from agent_market.rl.env.settings import ACTION_NAMES, Actions, EnvSettings
from tests.helpers.env_markets import dates, random_market

SHORT, FLAT, LONG = 0.0, 1.0, 2.0
FREE = {"fee": 0.0, "slippage": 0.0, "stake_fraction": 1.0, "can_short": True, "max_drawdown": 1.0}
FIXED = StopRule(rule="fixed")


def candles_of(rows: list[tuple[float, float, float, float]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["open", "high", "low", "close"])
    return frame.assign(date=dates(len(rows)))


def arrays(frame: pd.DataFrame, take: Any = None, atr_candles: int = 14) -> MarketArrays:
    features = pd.DataFrame({"row": np.arange(len(frame))})
    return market_arrays(frame, features, ranges=price_ranges(frame, atr_candles, take))


def fills(
    frame: pd.DataFrame, actions: list[float], take: Any = None, **chosen: Any
) -> list[tuple[Any, ...]]:
    """(row, amount, price, cause) of every fill with 1,000 to stake."""
    found = replay_actions(arrays(frame, take), EnvSettings(**{**FREE, **chosen}), np.array(actions))
    return [
        tuple(pytest.approx(v) if isinstance(v, float) else v for v in fill) for fill in found.fills.tolist()
    ]


REST = (100.0, 100.0, 100.0, 100.0)


def test_a_long_is_closed_at_its_stop_and_entered_again_where_the_action_still_asks() -> None:
    frame = candles_of([REST, (100, 101, 99, 100), (100, 100, 94, 96), (96, 97, 95, 96), REST])
    assert fills(frame, [LONG] * 5, stop=FIXED, stop_distance=0.05) == [
        (1, 10.0, 100.0, ASKED),
        (2, -10.0, 95.0, STOPPED),
        (3, 950 / 96, 96.0, ASKED),
        (4, -950 / 96, 100.0, ENDED),
    ]


def test_a_short_is_stopped_above_its_entry_on_its_own_candle() -> None:
    frame = candles_of([REST, (100, 106, 99, 101), REST, REST])
    assert fills(frame, [SHORT, FLAT, FLAT, FLAT], stop=FIXED, stop_distance=0.05) == [
        (1, -10.0, 100.0, ASKED),
        (1, 10.0, 105.0, STOPPED),
    ]


def test_a_gap_through_the_stop_fills_at_the_stop_if_the_candle_trades_there_and_else_at_the_open() -> None:
    partly = candles_of([REST, REST, (92, 96, 90, 91), REST, REST])
    assert fills(partly, [LONG, LONG, FLAT, FLAT, FLAT], stop=FIXED, stop_distance=0.05)[-1][2:] == (
        95.0,
        STOPPED,
    )
    whole = candles_of([REST, REST, (92, 94, 90, 91), REST, REST])
    assert fills(whole, [LONG, LONG, FLAT, FLAT, FLAT], stop=FIXED, stop_distance=0.05)[-1][2:] == (
        92.0,
        STOPPED,
    )


def test_a_signal_to_leave_comes_before_the_stop_of_that_candle() -> None:
    frame = candles_of([REST, REST, (98, 98, 80, 85), REST, REST])
    assert fills(frame, [LONG, FLAT, FLAT, FLAT, FLAT], stop=FIXED, stop_distance=0.05)[-1] == (
        2,
        -10.0,
        98.0,
        ASKED,
    )


def test_take_closes_at_the_next_open_and_keeps_entries_out() -> None:
    frame = candles_of([REST, REST, (102, 102, 102, 102), REST, REST, REST])
    take = np.array([False, True, True, False, False, False])
    assert fills(frame, [LONG] * 6, take, use_take=True)[:3] == [
        (1, 10.0, 100.0, ASKED),
        (2, -10.0, 102.0, TAKE),
        (4, 10.2, 100.0, ASKED),
    ]


def test_hold_most_closes_after_so_many_candles_and_turning_round_is_not_delayed() -> None:
    frame = candles_of([REST] * 8)
    same = fills(frame, [LONG] * 8, hold_most=3)
    assert [(row, cause) for row, _, _, cause in same] == [(1, ASKED), (4, HELD_MOST), (5, ASKED), (7, ENDED)]
    turned = fills(frame, [LONG, LONG, LONG, SHORT, SHORT, SHORT, SHORT, SHORT], hold_most=3)
    assert [(row, cause) for row, _, _, cause in turned][:3] == [(1, ASKED), (4, ASKED), (4, ASKED)]


def test_stops_are_rounded_to_the_tick_towards_the_price() -> None:
    frame = candles_of([REST, REST, (100, 100, 90, 95), REST])
    stopped = fills(frame, [LONG, LONG, FLAT, FLAT], stop=FIXED, stop_distance=0.0333, price_step=0.25)
    assert stopped[-1][2] == 96.75


def test_slippage_makes_a_stop_worse() -> None:
    frame = candles_of([REST, REST, (100, 100, 90, 95), REST])
    stopped = fills(frame, [LONG, LONG, FLAT, FLAT], stop=FIXED, stop_distance=0.05, slippage=0.01)
    assert stopped[-1][2] == pytest.approx(101 * 0.95 * 0.99)


def test_a_stop_without_ranges_is_refused_with_what_to_do() -> None:
    for chosen in ({"stop": FIXED}, {"use_take": True}):
        with pytest.raises(ConfigError, match="price_ranges"):
            TradingBatch(random_market(0), EnvSettings(**chosen))  # type: ignore[arg-type]
    TradingBatch(random_market(0), EnvSettings(hold_most=5))


def test_a_candle_whose_high_is_below_its_low_is_named() -> None:
    with pytest.raises(DataError, match="candle 1 has high 99"):
        price_ranges(candles_of([REST, (100, 99, 101, 100)]))


def wide_market(rng: np.random.Generator, count: int = 80) -> pd.DataFrame:
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, count)))
    opened = np.concatenate([[100.0], close[:-1]]) * (1.0 + rng.normal(0.0, 0.01, count))
    high = np.maximum(opened, close) * (1.0 + rng.exponential(0.01, count))
    low = np.minimum(opened, close) * (1.0 - rng.exponential(0.01, count))
    return pd.DataFrame({"date": dates(count), "open": opened, "high": high, "low": low, "close": close})


@given(seed=st.integers(0, 2**20), multiple=st.floats(0.3, 4.0), sign=st.sampled_from([SHORT, LONG]))
@settings(max_examples=60, deadline=None)
def test_an_atr_stop_only_tightens_stays_on_its_side_and_keeps_the_floor(
    seed: int, multiple: float, sign: float
) -> None:
    rng = np.random.default_rng(seed)
    rule = StopRule(rule="atr", atr_multiple=multiple, floor=0.01, ceiling=0.08)
    frame = wide_market(rng)
    market = arrays(frame)
    batch = TradingBatch(market, EnvSettings(**FREE, stop=rule))
    batch.reset(rng)
    side, before = sign - FLAT, 0.0
    account = batch.accounts
    while not (batch.truncated[0] or batch.terminated[0]):
        row = int(account["row"][0])
        fresh = account["quantity"][0] == 0.0
        batch.advance(np.array([sign]))
        stop, exit_price = float(account["stop"][0]), float(account["stopped"][0])
        high, low = (float(frame[name].iloc[row + 1]) for name in ("high", "low"))
        best = high if side > 0 else low
        if exit_price:
            assert low * (1 - 1e-12) <= exit_price <= high * (1 + 1e-12)
            assert stop == 0.0
        elif account["quantity"][0] != 0.0:
            assert side * (best - stop) > 0.0
            distance = stop_distance(float(market.ranges["atr"][row]), best, rule)  # type: ignore[index]
            assert side * (best - stop) / best <= distance * (1 + 1e-9)
            if not fresh:
                assert side * (stop - before) >= 0.0
        before = stop


@given(seed=st.integers(0, 2**20), distance=st.floats(0.001, 0.2), leverage=st.floats(1.0, 3.0))
@settings(max_examples=60, deadline=None)
def test_a_long_and_a_short_on_the_mirrored_market_are_stopped_together(
    seed: int, distance: float, leverage: float
) -> None:
    """Prices p and 200 - p: a fixed stop d below an entry at p lies as far above in the mirror."""
    rng = np.random.default_rng(seed)
    walk = 100.0 + np.cumsum(rng.normal(0.0, 0.2, 61))
    rows = [
        (a, max(a, b) + rng.exponential(0.3), min(a, b) - rng.exponential(0.3), b)
        for a, b in itertools.pairwise(walk)
    ]
    rows[1] = (100.0, *rows[1][1:])  # the entry, at the mirror's axis: equal distances
    rows[1] = (100.0, max(rows[1][1], 100.0), min(rows[1][2], 100.0), rows[1][3])
    mirrored = [(200 - o, 200 - low, 200 - high, 200 - c) for o, high, low, c in rows]
    chosen = {"stop": FIXED, "stop_distance": distance, "leverage": leverage}
    once = np.full(60, 0.0)
    found = []
    for frame, enter in ((rows, 1.0), (mirrored, 3.0)):
        actions = once.copy()
        actions[0] = enter
        options = EnvSettings(**{**FREE, **chosen, "actions": "orders"})
        found.append(replay_actions(arrays(candles_of(frame)), options, actions).fills)
    longs, shorts = found
    assert longs["row"].tolist() == shorts["row"].tolist()
    assert longs["cause"].tolist() == shorts["cause"].tolist()
    np.testing.assert_allclose(longs["amount"], -shorts["amount"])
    np.testing.assert_allclose(longs["price"], 200.0 - shorts["price"])


@pytest.mark.parametrize("kind", ["sides", "orders", "grades", "target"])
def test_rules_that_never_apply_change_nothing_bit_for_bit(kind: Actions) -> None:
    """A limit that is never reached takes the path with exits; the other one is today's."""
    rng = np.random.default_rng(5)
    market = random_market(3)
    chosen = EnvSettings(actions=kind, can_short=True, fee=0.001)
    count = len(ACTION_NAMES[kind])
    actions = rng.integers(count, size=400).astype(float) if count else rng.uniform(-1, 1, 400)
    batches = [TradingBatch(market, chosen.model_copy(update=u)) for u in ({}, {"hold_most": 10_000})]
    for batch in batches:
        batch.reset(rng)
    equity = [batches[0].accounts["equity"][0]]
    for action in actions:
        for batch in batches:
            batch.advance(np.array([action]))
        equity.append(batches[0].accounts["equity"][0])
        for name in ("cash", "quantity", "depth", "entry", "age", "equity", "peak"):
            assert batches[0].accounts[name][0] == batches[1].accounts[name][0]
        assert batches[0].rewards[0] == batches[1].rewards[0]
        if batches[0].truncated[0] or batches[0].terminated[0]:
            break
    replayed = replay_actions(market, chosen, actions).equity
    np.testing.assert_array_equal(replayed[: len(equity)], equity)


def test_a_replay_names_the_row_of_a_number_that_is_no_action() -> None:
    actions = np.full(400, LONG)
    actions[17] = 7.0
    with pytest.raises(ValueError, match=r"7.0 \(row 17\)"):
        replay_actions(random_market(0), EnvSettings(), actions)
