"""Episodes, the batched twin, determinism, and that nobody sees ahead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.errors import ConfigError, DataError
from agent_market.rl.env.batch import TradingBatch
from agent_market.rl.env.market import funding_due, join_markets, market_arrays
from agent_market.rl.env.settings import ACTION_NAMES, Actions, EnvSettings, Reward
from tests.helpers.env_markets import HOUR, dates, market, random_candles, random_market

ACTIONS: tuple[Actions, ...] = ("sides", "orders", "grades", "target")
REWARDS: tuple[Reward, ...] = ("return_depth", "differential_sharpe", "drawdown_aware")


def random_actions(rng: np.random.Generator, kind: Actions, shape: tuple[int, ...]) -> np.ndarray:
    count = len(ACTION_NAMES[kind])
    return rng.integers(count, size=shape).astype(float) if count else rng.uniform(-1.5, 1.5, shape)


def history(batch: TradingBatch, actions: np.ndarray, stop: int) -> list[tuple[Any, ...]]:
    """What an agent gets to see until the account stands at row `stop`."""
    seen: list[tuple[Any, ...]] = [(batch.observe().tobytes(),)]
    for action in actions:
        if batch.accounts["row"][0] >= stop:
            break
        batch.advance(np.array([action]))
        seen.append((batch.observe().tobytes(), batch.rewards[0], batch.terminated[0]))
        if batch.terminated[0]:
            break
    return seen


@given(
    seed=st.integers(0, 2**16),
    cut=st.integers(20, 90),
    kind=st.sampled_from(ACTIONS),
    reward=st.sampled_from(REWARDS),
)
@settings(max_examples=60, deadline=None)
def test_cutting_the_future_off_changes_nothing_that_was_seen(
    seed: int, cut: int, kind: Actions, reward: Reward
) -> None:
    rng = np.random.default_rng(seed)
    candles, features = random_candles(rng, 100)
    due = (rng.normal(0.0, 0.01, 100), rng.normal(0.0, 0.01, 100))
    chosen = EnvSettings(actions=kind, reward=reward, window=4, can_short=True)
    actions = random_actions(rng, kind, (100,))
    whole = TradingBatch(market_arrays(candles, features, due), chosen)
    part = (due[0][: cut + 1], due[1][: cut + 1])
    short = TradingBatch(market_arrays(candles[: cut + 1], features[: cut + 1], part), chosen)
    for batch in (whole, short):
        batch.reset(rng, starts=np.array([3]))
    # the shorter market closes the position at its last candle, which is `cut`
    assert history(whole, actions, cut - 1) == history(short, actions, cut - 1)


@pytest.mark.parametrize("kind", ACTIONS)
@pytest.mark.parametrize("reward", REWARDS)
def test_a_batch_is_many_single_accounts(kind: Actions, reward: Reward) -> None:
    arrays = random_market(3)
    chosen = EnvSettings(
        actions=kind, reward=reward, window=2, can_short=True, episode_candles=60, max_drawdown=0.9
    )
    rng = np.random.default_rng(4)
    starts = rng.integers(1, 300, size=32)
    actions = random_actions(rng, kind, (60, 32))
    batch = TradingBatch(arrays, chosen, 32)
    batch.reset(rng, starts=starts)
    singles = [TradingBatch(arrays, chosen) for _ in starts]
    for single, start in zip(singles, starts, strict=True):
        single.reset(rng, starts=np.array([start]))
    for row in actions:
        batch.advance(row)
        for i, single in enumerate(singles):
            single.advance(row[i : i + 1])
        np.testing.assert_array_equal(batch.rewards, [s.rewards[0] for s in singles])
        np.testing.assert_array_equal(batch.observe(), np.concatenate([s.observe() for s in singles]))
    assert batch.truncated.all()
    np.testing.assert_array_equal(batch.accounts, np.concatenate([s.accounts for s in singles]))


def test_a_seed_draws_the_same_episodes_again() -> None:
    rows = []
    for _ in range(2):
        batch = TradingBatch(random_market(1), EnvSettings(episode_candles=50), 64)
        batch.reset(np.random.default_rng(11))
        rows.append(batch.accounts["row"].copy())
    np.testing.assert_array_equal(*rows)
    assert len(set(rows[0])) > 30


def test_episodes_stay_within_their_stretch() -> None:
    joined = join_markets([random_market(1, 40), random_market(2, 30), random_market(3, 12)])
    assert joined.stretches.tolist() == [[0, 40], [40, 70], [70, 82]]
    starts, lasts = joined.episodes(window=5, length=20)
    # 40 candles: first decisions at 4..19, the end 20 candles later; the third stretch is one short episode
    assert starts.tolist() == [*range(4, 20), *range(44, 50), 74]
    assert (lasts - starts).tolist() == [20] * 22 + [7]


def test_only_some_accounts_begin_again() -> None:
    batch = TradingBatch(random_market(1), EnvSettings(), 3)
    rng = np.random.default_rng(0)
    batch.reset(rng)
    batch.advance(np.array([2.0, 2.0, 2.0]))
    batch.reset(rng, np.array([1]))
    assert batch.accounts["row"].tolist() == [1, 0, 1]
    assert batch.accounts["quantity"][1] == 0.0


def test_a_start_without_room_is_refused_with_the_rows_that_have_it() -> None:
    batch = TradingBatch(random_market(1, 100), EnvSettings(episode_candles=20, window=3))
    with pytest.raises(ConfigError, match="row 80; rows that allow one lie in 2 to 79"):
        batch.reset(np.random.default_rng(0), starts=np.array([80]))


def test_too_few_candles_are_refused() -> None:
    with pytest.raises(DataError, match="the longest has 6, and a window of 5 needs 7"):
        TradingBatch(market([1.0] * 6, [1.0] * 6), EnvSettings(window=5))


def test_features_of_the_warm_up_are_left_out_and_a_later_hole_is_named() -> None:
    candles, features = random_candles(np.random.default_rng(0), 50)
    features.iloc[:7, 1] = np.nan
    arrays = market_arrays(candles, features)
    assert len(arrays) == 43
    assert arrays.times[0] == candles["date"].iloc[7].timestamp()
    features.iloc[20, 2] = np.inf
    with pytest.raises(DataError, match="feature c is inf at 2024-01-01 20:00:00"):
        market_arrays(candles, features)


def test_a_price_that_is_none_is_named() -> None:
    candles, features = random_candles(np.random.default_rng(0), 50)
    candles.loc[9, "open"] = 0.0
    with pytest.raises(DataError, match=r"open is 0\.0 at 2024-01-01 09:00:00"):
        market_arrays(candles, features)


def test_candles_out_of_order_are_refused() -> None:
    candles, features = random_candles(np.random.default_rng(0), 50)
    with pytest.raises(DataError, match="out of order"):
        market_arrays(candles.iloc[::-1], features)


def test_funding_falls_due_at_the_open_or_inside_the_candle_that_it_comes_in() -> None:
    four_hours = dates(1).append(pd.DatetimeIndex(["2024-01-01 04:00", "2024-01-01 08:00"], tz="UTC"))
    times = four_hours.as_unit("s").asi8.astype(np.int64)
    when = [
        "2023-12-31 16:00",
        "2024-01-01 00:00",
        "2024-01-01 05:00",
        "2024-01-01 06:00",
        "2024-01-02 00:00",
    ]
    events = pd.DataFrame(
        {"date": pd.to_datetime(when, utc=True), "rate": [1.0, 0.1, 0.2, 0.3, 1.0], "mark": 10.0}
    )
    opens, inside = funding_due(times, 4 * HOUR, events)
    np.testing.assert_allclose(opens, [1.0, 0.0, 0.0])
    np.testing.assert_allclose(inside, [0.0, 5.0, 0.0])


def test_torch_shares_the_memory_of_observations() -> None:
    torch = pytest.importorskip("torch")
    batch = TradingBatch(random_market(1), EnvSettings(), 4)
    batch.reset(np.random.default_rng(0))
    out = np.empty((4, batch.width), dtype=np.float32)
    tensor = torch.from_numpy(out)
    batch.observe(out)
    np.testing.assert_array_equal(tensor.numpy(), batch.observe())
