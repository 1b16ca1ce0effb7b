"""The environment's money is freqtrade's money: the same orders through freqtrade's own `Backtesting`.

Each sequence of random actions is played in the environment on random candles; what it traded is given to a
scripted strategy, and freqtrade's fills, trades and balances must be the environment's, to 1e-9 relative.
The exchange (precision, leverage tiers, limits) is the sandbox's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from freqtrade.optimize.backtesting import Backtesting

from agent_market.rl.env.batch import TradingBatch
from agent_market.rl.env.market import MarketArrays, funding_due, market_arrays
from agent_market.rl.env.settings import EnvSettings
from agent_market.sandbox.market import StandingMarket, SyntheticSource
from tests.helpers.freqtrade_parity import (
    BALANCE,
    CANDLES,
    EXACT,
    HOUR,
    Desk,
    Played,
    Script,
    desk,
    freqtrade_fills,
)
from tests.helpers.workspace import sandbox


@pytest.fixture(scope="module")
def desks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, Desk]]:
    with sandbox(StandingMarket(SyntheticSource(seed=7))) as (endpoints, _):
        spot = desk(tmp_path_factory.mktemp("spot"), endpoints, futures=False)
        yield {False: spot, True: desk(tmp_path_factory.mktemp("futures"), endpoints, futures=True)}
        Backtesting.cleanup()


def random_market(rng: np.random.Generator, futures: bool) -> tuple[pd.DataFrame, pd.DataFrame, MarketArrays]:
    """Candles on a price grid of 0.1, funding every eight hours, and both as arrays."""
    walk = 30_000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.004, CANDLES + 1)))
    opened, close = np.round(walk[:-1] * (1.0 + rng.normal(0.0, 0.001, CANDLES)), 1), np.round(walk[1:], 1)
    candles = pd.DataFrame(
        {
            "date": pd.date_range("2024-03-01 05:00", periods=CANDLES, freq="h", tz="UTC"),
            "open": opened,
            "high": np.round(np.maximum(opened, close) * 1.002, 1),
            "low": np.round(np.minimum(opened, close) * 0.998, 1),
            "close": close,
            "volume": 1.0,
        }
    )
    due = candles[candles["date"].dt.hour % 8 == 0]
    events = pd.DataFrame(
        {
            "date": due["date"],
            "rate": rng.normal(0.0001, 0.0003, len(due)),
            "mark": np.round(due["open"] * 1.0003, 1),
        }
    )
    times = (candles["date"] - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(seconds=1)
    funding = funding_due(times.to_numpy(), HOUR, events) if futures else None
    return candles, events, market_arrays(candles, pd.DataFrame({"nothing": np.zeros(CANDLES)}), funding)


def play(market: MarketArrays, settings: EnvSettings, rng: np.random.Generator) -> Played:
    """Random actions, each held for some candles, until the candles end."""
    batch = TradingBatch(market, settings)
    batch.reset(rng)
    account = batch.accounts
    fills: list[tuple[int, float]] = []
    flat: dict[int, float] = {}
    action = 0.0
    while True:
        if rng.random() < 0.3:
            levels = {"sides": 3, "orders": 5, "grades": 5}
            count = levels.get(settings.actions)
            action = float(rng.integers(count)) if count else float(rng.uniform(-1.0, 1.0))
        held = float(account["quantity"][0])
        batch.advance(np.array([action]))
        row, now = int(account["row"][0]), float(account["quantity"][0])
        if held * now < 0.0:
            fills += [(row, -held), (row, now)]
        elif held != now:
            fills.append((row, now - held))
        if now == 0.0:
            flat[row] = float(account["cash"][0])
        assert not batch.terminated[0]
        if batch.truncated[0]:
            return Played(fills, flat, float(account["cash"][0]))


def script_of(
    played: Played, candles: pd.DataFrame, settings: EnvSettings, step: float, scripted_amounts: bool
) -> Script:
    """The same orders for freqtrade; half a lot on top of each amount, for it cuts amounts to whole lots."""
    signals = {
        f"{what}_{side}": np.zeros(CANDLES) for what in ("enter", "exit") for side in ("long", "short")
    }
    entries: dict[Any, float] = {}
    changes: dict[Any, float] = {}
    held = 0.0
    for row, amount in played.fills:
        now = held + amount if abs(held + amount) > step / 2 else 0.0
        when = candles["date"].iloc[row]
        if held == 0.0:
            signals["enter_long" if now > 0.0 else "enter_short"][row - 1] = 1
            entries[when] = abs(amount) + step / 2
        elif now == 0.0:
            signals["exit_long" if held > 0.0 else "exit_short"][row - 1] = 1
        else:
            grown = abs(now) - abs(held)
            changes[when] = grown + np.copysign(step / 2, grown)
        held = now
    return Script(signals, entries if scripted_amounts else {}, changes, settings.leverage)


def assert_equal(played: Played, result: dict[str, Any], candles: pd.DataFrame) -> None:
    theirs = freqtrade_fills(candles)
    assert [row for row, *_ in theirs] == [row for row, _ in played.fills]
    np.testing.assert_allclose([a for _, a, _ in theirs], [a for _, a in played.fills], rtol=EXACT)
    np.testing.assert_array_equal(
        [p for *_, p in theirs], candles["open"].to_numpy()[[r for r, *_ in theirs]]
    )
    assert result["final_balance"] == pytest.approx(played.balance, rel=EXACT)
    balance, compared = BALANCE, 0
    row_of = {when: row for row, when in enumerate(candles["date"])}
    trades = result["results"]
    for closed, profit in zip(trades["close_date"], trades["profit_abs"], strict=True):
        balance += profit
        row = row_of[closed]
        if row in played.flat:
            assert balance == pytest.approx(played.flat[row], rel=EXACT)
            compared += 1
    assert compared > 0


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize(
    ("futures", "actions"), [(False, "sides"), (False, "target"), (True, "orders"), (True, "target")]
)
def test_the_same_orders_make_the_same_money(
    desks: dict[bool, Desk], futures: bool, actions: str, seed: int
) -> None:
    rng = np.random.default_rng([seed, futures, len(actions)])
    theirs = desks[futures]
    candles, events, market = random_market(rng, futures)
    scripted_amounts = actions == "target"
    settings = EnvSettings(
        actions=actions,  # type: ignore[arg-type]
        balance=BALANCE,
        stake_fraction=0.8 if scripted_amounts else 1.0,
        leverage=float(rng.integers(1, 4)) if futures else 1.0,
        can_short=futures,
        fee=theirs.backtesting.fee,
        slippage=0.0,
        amount_step=theirs.amount_step,
        max_drawdown=1.0,
    )
    assert settings.fee > 0.0
    played = play(market, settings, rng)
    assert len(played.fills) > 10
    script = script_of(played, candles, settings, theirs.amount_step, scripted_amounts)
    assert_equal(played, theirs.run(candles, events, script), candles)
