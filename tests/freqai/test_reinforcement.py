"""The learner's parts: a policy followed row by row, its bundle, its later span, and the live position."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from freqtrade.persistence import Trade
from stable_baselines3 import PPO

from agent_market.freqai import reinforcement
from agent_market.freqai.reinforcement import TrainedPolicy
from agent_market.rl.env.account import EXIT_LONG
from agent_market.rl.env.batch import TradingBatch
from agent_market.rl.env.settings import EnvSettings
from agent_market.rl.env.vector import TradingVecEnv
from agent_market.rl.policy_market import open_position, position_after, stretches
from agent_market.rl.policy_play import BestOnLaterSpan, followed, played_gain
from tests.helpers.env_markets import random_candles, random_market

SETTINGS = EnvSettings(actions="orders", window=3, can_short=True, episode_candles=50)


def trained(steps: int = 2048, settings: EnvSettings = SETTINGS) -> TrainedPolicy:
    """A policy that has trained a little on a random market: enough to trade both ways."""
    market = random_market(0)
    model = PPO(
        "MlpPolicy",
        TradingVecEnv(market, settings, size=32, seed=0),
        n_steps=16,
        batch_size=128,
        seed=1,
        device="cpu",
    )
    model.learn(steps)
    archive = io.BytesIO()
    model.save(archive)
    return TrainedPolicy(archive.getvalue(), PPO, None, market.names, settings)


@pytest.fixture(scope="module")
def policy() -> TrainedPolicy:
    return trained()


@pytest.fixture(scope="module")
def rows() -> tuple[pd.DataFrame, pd.DataFrame]:
    return random_candles(np.random.default_rng(3), 120)


def test_a_policy_is_followed_without_sight_of_what_comes(
    policy: TrainedPolicy, rows: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    candles, features = rows
    actions, positions = followed(policy.model, policy.environment, candles, features)
    assert len(set(actions)) > 2
    for cut in (3, 4, 50, 119):
        short, held = followed(policy.model, policy.environment, candles[:cut], features[:cut])
        np.testing.assert_array_equal(short, actions[:cut])
        np.testing.assert_array_equal(held, positions[:cut])


def test_positions_are_where_the_actions_lead(
    policy: TrainedPolicy, rows: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    actions, positions = followed(policy.model, policy.environment, *rows)
    position = 0.0
    for action, after in zip(actions, positions, strict=True):
        position = position_after(int(action), position, can_short=True)
        assert position == after
    assert len(set(positions)) > 1


def test_rows_short_of_a_window_hold(policy: TrainedPolicy, rows: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    actions, positions = followed(policy.model, policy.environment, rows[0][:2], rows[1][:2])
    assert actions.tolist() == positions.tolist() == [0.0, 0.0]


def test_without_permission_to_short_no_order_leads_short() -> None:
    assert [position_after(order, 0.0, can_short=False) for order in range(5)] == [0, 1, 0, 0, 0]
    assert [position_after(order, 1.0, can_short=False) for order in range(5)] == [1, 1, 0, 1, 1]
    assert position_after(EXIT_LONG, -1.0, can_short=True) == -1.0


def test_the_bundle_survives_pickling(policy: TrainedPolicy, rows: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    again: TrainedPolicy = cloudpickle.loads(cloudpickle.dumps(policy))
    np.testing.assert_array_equal(
        followed(again.model, again.environment, *rows), followed(policy.model, policy.environment, *rows)
    )


def test_the_policy_kept_is_the_one_that_did_best_on_the_later_span() -> None:
    later = random_market(9, 120)
    gains: list[float] = []

    class Watched(BestOnLaterSpan):
        def _judge(self) -> None:
            gains.append(played_gain(self.model, self._batch))
            super()._judge()

    watched = Watched(later, SETTINGS, every=512)
    environment = TradingVecEnv(random_market(0), SETTINGS, size=32, seed=0)
    model = PPO(
        "MlpPolicy", environment, n_steps=16, batch_size=128, seed=1, device="cpu", learning_rate=1e-2
    )
    model.learn(4096, callback=watched)
    whole = TradingBatch(later, SETTINGS.model_copy(update={"episode_candles": None}))
    assert len(gains) > 3
    assert played_gain(model, whole) == pytest.approx(max(gains)) == pytest.approx(watched.best)


def test_missing_rows_begin_a_new_stretch() -> None:
    candles, features = random_candles(np.random.default_rng(0), 10)
    kept = pd.Index([2, 3, 4, 7, 8])
    market = stretches(candles, kept, features.loc[kept], (np.arange(10.0), np.zeros(10)))
    assert market.stretches.tolist() == [[0, 3], [3, 5]]
    assert market.candles["funding_open"].tolist() == [2, 3, 4, 7, 8]


def test_the_live_state_is_the_one_that_training_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short opened at the open of candle 12, seen at the close of candle 14."""
    market = random_market(2)
    settings = SETTINGS.model_copy(update={"slippage": 0.0, "window": 1})
    batch = TradingBatch(market, settings)
    batch.reset(np.random.default_rng(0), starts=np.array([11]))
    for action in (3.0, 0.0, 0.0):
        batch.advance(np.array([action]))
    opened = datetime.fromtimestamp(int(market.times[12]), tz=UTC)
    trade = SimpleNamespace(is_short=True, open_rate=float(market.candles["open"][12]), open_date_utc=opened)
    monkeypatch.setattr(Trade, "get_trades_proxy", staticmethod(lambda **_: [trade]))
    seen: list[np.ndarray] = []

    class Spy:
        def predict(self, observation: np.ndarray, **_: Any) -> tuple[np.ndarray, None]:
            seen.append(observation)
            return np.array(4), None

    told = TrainedPolicy(b"", PPO, None, market.names, settings)
    told._model = Spy()  # type: ignore[assignment]
    learner = SimpleNamespace(base_tf_seconds=3600)
    newest = pd.DataFrame(
        {"date": [pd.Timestamp(market.times[14], unit="s", tz="UTC")], "close": market.candles["close"][14]}
    )
    features = pd.DataFrame(market.features[[14]], columns=list(market.names))
    live = reinforcement.AgentReinforcementLearnerModel._live_action
    assert live(learner, told, newest, features, "BTC/USDT") == (4.0, 0.0)  # type: ignore[arg-type]
    np.testing.assert_allclose(seen[0], batch.observe()[0], rtol=1e-6)


def test_without_an_open_trade_the_live_position_is_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trade, "get_trades_proxy", staticmethod(lambda **_: []))
    assert open_position("BTC/USDT", 1.0, datetime.now(UTC)) == (0.0, 0.0, 0.0)


def test_the_committees_model_loads_without_torch_and_gymnasium() -> None:
    code = (
        "import sys, agent_market.freqai.ensemble, agent_market.strategy.strategy\n"
        "print([name for name in ('torch', 'gymnasium', 'stable_baselines3') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
