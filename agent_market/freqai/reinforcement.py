"""`AgentReinforcementLearner`: FreqAI's reinforcement learning on our environment.

It takes the place of freqtrade's `ReinforcementLearner`: the same `freqai.rl_config`, the same five numbers
in the label column (0 hold, 1 enter long, 2 exit long, 3 enter short, 4 exit short), so a strategy written
for that one works unchanged.  What differs:

- training plays thousands of accounts at once, with large minibatches;
- fills are at the next candle's open, with fee, slippage and (futures) the pair's funding history;
- the policy sees its own position.  In a backtest, and on the history that a bot starts with, that is the
  position which its own actions lead to, from flat at the start of each window; live, on the newest candle,
  it is the bot's open trade.  The column `policy_position` tells a strategy which one was meant;
- of what it was during training, the policy is kept that did best on FreqAI's test split, which is later;
- a model is one joblib bundle with its feature pipeline, and a training that fails ends the backtest.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from freqtrade.enums import CandleType, TradingMode
from freqtrade.exceptions import OperationalException
from freqtrade.freqai.data_kitchen import FreqaiDataKitchen
from freqtrade.freqai.RL.BaseReinforcementLearningModel import BaseReinforcementLearningModel
from stable_baselines3.common.base_class import BaseAlgorithm

from agent_market.candles import epoch_seconds
from agent_market.config import load_settings, parse_settings
from agent_market.errors import AgentMarketError, ConfigError
from agent_market.freqai.base_model import BaseAgentModel
from agent_market.rl.env.account import AGE_SCALE
from agent_market.rl.env.market import MarketArrays, funding_due
from agent_market.rl.env.settings import EnvSettings
from agent_market.rl.env.vector import TradingVecEnv
from agent_market.rl.policy_market import open_position, position_after, stretches
from agent_market.rl.policy_play import BestOnLaterSpan, followed
from agent_market.utils.arrays import Floats

logger = logging.getLogger(__name__)

PPO_DEFAULTS: dict[str, Any] = {
    "n_envs": 1024,
    "n_steps": 16,
    "batch_size": 4096,
    "n_epochs": 2,
    "learning_rate": 1e-3,
}
"""Samples cost next to nothing here and updates nearly all, so each sample is used twice, not ten times."""

ALGORITHMS = ("PPO", "A2C", "DQN", "TRPO", "QRDQN", "MaskablePPO")
PASSES_PER_CYCLE = 10
"""Steps of one of `train_cycles`, in lengths of the training data."""
EPISODE_CANDLES = 500
JUDGEMENTS = 20
"""How often in a training the policy is tried on the later span."""
POSITION = "policy_position"
"""Column: the position (-1, 0, 1) that the row's action leads to."""


@dataclass(slots=True)
class TrainedPolicy:
    """What one training leaves behind; pickles as bytes of Stable-Baselines3's own archive."""

    archive: bytes
    algorithm: type[BaseAlgorithm]
    pipeline: Any
    features: tuple[str, ...]
    environment: EnvSettings
    _model: BaseAlgorithm | None = field(default=None, repr=False)

    @property
    def model(self) -> BaseAlgorithm:
        """The algorithm, unpacked on first use."""
        if self._model is None:
            self._model = self.algorithm.load(io.BytesIO(self.archive), device="cpu")
        return self._model

    def __getstate__(self) -> tuple[Any, ...]:
        return (self.archive, self.algorithm, self.pipeline, self.features, self.environment)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.archive, self.algorithm, self.pipeline, self.features, self.environment = state
        self._model = None


class AgentReinforcementLearnerModel(BaseAgentModel, BaseReinforcementLearningModel):
    """Base of `user_data/freqaimodels/AgentReinforcementLearner.py`.

    `freqai.rl_config.env` takes the keys of `EnvSettings`; fee, shorting, window (`conv_width`) and drawdown
    stop (`max_training_drawdown_pct`) come from where the stock learner has them.
    `freqai.model_training_parameters` goes to the algorithm, over `PPO_DEFAULTS` for PPO; `n_envs` is the
    number of accounts.  The stock learner's `model_reward_parameters` are not used.
    """

    def __init__(self, **kwargs: Any) -> None:
        config = kwargs["config"]
        try:
            self.costs = load_settings(config).costs
            chosen = config["freqai"]["rl_config"]
            self._environment = dict(chosen.get("env", {}))
            if parse_settings(EnvSettings, self._environment, "freqai.rl_config.env").has_exits:
                raise ConfigError(
                    "freqai.rl_config.env sets `stop`, `use_take` or `hold_most`; leave them out: in a bot "
                    "the strategy's own stop closes trades"
                )
            if self._environment.setdefault("actions", "orders") != "orders":
                raise ConfigError(
                    f"freqai.rl_config.env.actions = {self._environment['actions']!r}: a strategy reads "
                    "FreqAI's five numbers, so it must be `orders`; leave it out"
                )
            if chosen["model_type"] not in ALGORITHMS:
                known = ", ".join(ALGORITHMS)
                raise ConfigError(
                    f"freqai.rl_config.model_type = {chosen['model_type']!r}; choose one of {known}"
                )
            if config["freqai"]["feature_parameters"].get("shuffle_after_split", False):
                raise ConfigError(
                    "freqai.feature_parameters.shuffle_after_split = true; time must stay in order"
                )
        except AgentMarketError as error:
            raise OperationalException(str(error)) from error
        super().__init__(**kwargs)
        self.dd.model_type = "joblib"

    # --- training ------------------------------------------------------------------------------------

    def train(
        self, unfiltered_df: pd.DataFrame, pair: str, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> TrainedPolicy:
        """Train a policy on one window of candles."""
        with self.training(pair):
            logger.info("Training %s on %d candles", pair, len(unfiltered_df))
            features, labels = dk.filter_features(
                unfiltered_df, dk.training_features_list, dk.label_list, training_filter=True
            )
            data = dk.make_train_test_datasets(features, labels)
            dk.fit_labels()
            rows = {part: data[f"{part}_features"].index for part in ("train", "test")}
            for part in rows:
                self.drop_ohlc_from_df(data[f"{part}_features"], dk)
            dk.feature_pipeline = self.define_data_pipeline(threads=dk.thread_count)
            data["train_features"], *_ = dk.feature_pipeline.fit_transform(data["train_features"])
            if len(rows["test"]):
                data["test_features"], *_ = dk.feature_pipeline.transform(data["test_features"])
            funding = self._funding(pair, unfiltered_df)
            data["train_market"] = stretches(unfiltered_df, rows["train"], data["train_features"], funding)
            if len(rows["test"]):
                data["test_market"] = stretches(unfiltered_df, rows["test"], data["test_features"], funding)
            policy = self.fit(data, dk)
            logger.info("Done training %s", pair)
        if dk.live:
            self._declare_position(dk)
        return policy

    def fit(self, data_dictionary: dict[str, Any], dk: FreqaiDataKitchen, **kwargs: Any) -> TrainedPolicy:
        """Train on `train_market`, and keep what did best on `test_market` where there is one."""
        market: MarketArrays = data_dictionary["train_market"]
        parameters = dict(self.freqai_info.get("model_training_parameters", {}))
        if self.model_type == "PPO":
            parameters = {**PPO_DEFAULTS, **parameters}
        size = int(parameters.pop("n_envs", PPO_DEFAULTS["n_envs"]))
        seed = int(parameters.pop("seed", 7))
        settings = self.environment(len(market))
        environment = TradingVecEnv(market, settings, size, seed=seed)
        earlier = self.dd.model_dictionary.get(dk.pair) if self.continual_learning else None
        if isinstance(earlier, TrainedPolicy) and earlier.features == market.names:
            model = earlier.algorithm.load(io.BytesIO(earlier.archive), env=environment, device="cpu")
        else:
            policy = {"activation_fn": torch.nn.ReLU, "net_arch": self.net_arch}
            model = self.MODELCLASS(
                self.policy_type,
                environment,
                policy_kwargs=policy,
                **{"seed": seed, "device": "cpu", **parameters},
            )
        later = data_dictionary.get("test_market")
        steps = int(self.rl_config["train_cycles"]) * PASSES_PER_CYCLE * len(market)
        best = BestOnLaterSpan(later, settings, steps // JUDGEMENTS) if later is not None else None
        model.learn(total_timesteps=steps, callback=best)
        archive = io.BytesIO()
        model.save(archive, exclude=["env", "rollout_buffer", "replay_buffer"])
        return TrainedPolicy(archive.getvalue(), self.MODELCLASS, dk.feature_pipeline, market.names, settings)

    def environment(self, rows: int) -> EnvSettings:
        """The environment for a market of so many rows; see the class for where each key comes from."""
        settings: Mapping[str, Any] = {
            "fee": self._fee(),
            "slippage": self.costs.slippage,
            "can_short": self.can_short,
            "window": self.CONV_WIDTH,
            "max_drawdown": self.rl_config.get("max_training_drawdown_pct", 0.8),
            "episode_candles": min(EPISODE_CANDLES, max(rows // 2, 2)),
            **self._environment,
        }
        return parse_settings(EnvSettings, settings, "freqai.rl_config.env")

    def drop_ohlc_from_df(self, df: pd.DataFrame, dk: FreqaiDataKitchen) -> pd.DataFrame:
        """Drop raw prices, where the strategy gives them and the config says so; ours are not features."""
        if self.rl_config.get("drop_ohlc_from_features", False):
            raw = [f"%-raw_{name}" for name in ("open", "low", "high", "close")]
            df.drop(columns=raw, errors="ignore", inplace=True)
            dk.training_features_list = [name for name in dk.training_features_list if name not in raw]
        return df

    def _fee(self) -> float:
        if self.config.get("fee") is not None:
            return float(self.config["fee"])
        return float(self.data_provider._exchange.get_fee(symbol=self.universe()[0]))

    def _funding(self, pair: str, candles: pd.DataFrame) -> tuple[Floats, Floats] | None:
        """Funding due at and inside each of the candles, from the funding and mark candles on disk."""
        if self.config.get("trading_mode", TradingMode.SPOT) != TradingMode.FUTURES:
            return None
        exchange = self.data_provider._exchange
        rates, marks = (
            self.data_provider.historic_ohlcv(pair, exchange.get_option(timeframe), candle_type=str(kind))
            for timeframe, kind in (
                ("funding_fee_timeframe", CandleType.FUNDING_RATE),
                ("mark_ohlcv_timeframe", CandleType.from_string(exchange.get_option("mark_ohlcv_price"))),
            )
        )
        if rates.empty or marks.empty:
            logger.warning(
                "%s: no funding history on disk; the policy is trained as if there were none", pair
            )
            return None
        events = exchange.combine_funding_and_mark(rates, marks)
        events = events.rename(columns={"open_fund": "rate", "open_mark": "mark"})
        return funding_due(epoch_seconds(candles["date"]), self.base_tf_seconds, events)

    # --- prediction ----------------------------------------------------------------------------------

    def predict(
        self, unfiltered_df: pd.DataFrame, dk: FreqaiDataKitchen, **kwargs: Any
    ) -> tuple[pd.DataFrame, npt.NDArray[np.int_]]:
        """One of FreqAI's five numbers for each row; 0 on rows before the first whole window."""
        policy: TrainedPolicy = self.model
        dk.feature_pipeline = policy.pipeline
        dk.find_features(unfiltered_df)
        filtered, _ = dk.filter_features(unfiltered_df, dk.training_features_list, training_filter=False)
        filtered = self.drop_ohlc_from_df(filtered, dk)
        values, _, _ = dk.feature_pipeline.transform(filtered, outlier_check=True)
        dk.data_dictionary["prediction_features"] = values
        seen = values.set_axis(unfiltered_df.index, axis=0)
        actions, positions = np.zeros((2, len(unfiltered_df)))
        if dk.live and len(unfiltered_df) == policy.environment.window:
            actions[-1], positions[-1] = self._live_action(policy, unfiltered_df, seen, dk.pair)
        else:
            actions, positions = followed(policy.model, policy.environment, unfiltered_df, seen)
        columns = {**dict.fromkeys(dk.label_list, actions), POSITION: positions}
        return pd.DataFrame(columns), dk.do_predict

    def _live_action(
        self, policy: TrainedPolicy, candles: pd.DataFrame, features: pd.DataFrame, pair: str
    ) -> tuple[float, float]:
        """The action on the newest candle, in the position of the bot's open trade, and where it leads."""
        closed = candles["date"].iloc[-1] + pd.Timedelta(seconds=self.base_tf_seconds)
        position, gain, age = open_position(pair, float(candles["close"].iloc[-1]), closed)
        held = age / self.base_tf_seconds
        state = np.array([position, np.clip(gain, -1.0, 1.0), held / (held + AGE_SCALE)])
        observation = np.concatenate([features.to_numpy(dtype=np.float32).ravel(), state.astype(np.float32)])
        options: dict[str, Any] = {}
        if policy.algorithm.__name__ == "MaskablePPO":
            short = policy.environment.can_short
            options["action_masks"] = np.array(
                [True, position == 0, position > 0, position == 0 and short, position < 0]
            )
        action, _ = policy.model.predict(observation, deterministic=True, **options)
        return float(action), position_after(int(action), position, policy.environment.can_short)

    # --- what FreqAI needs to know of the extra column live -------------------------------------------

    def _declare_position(self, dk: FreqaiDataKitchen) -> None:
        """Live, every numeric column needs a mean and a std, or FreqAI raises after the first candle."""
        dk.data["labels_mean"][POSITION] = 0.0
        dk.data["labels_std"][POSITION] = 0.0

    def fit_live_predictions(self, dk: FreqaiDataKitchen, pair: str) -> None:
        """FreqAI resets means and stds here; ours is declared again."""
        super().fit_live_predictions(dk, pair)
        self._declare_position(dk)
