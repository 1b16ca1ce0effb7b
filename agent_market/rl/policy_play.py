"""A policy at play: chosen by what it makes on the later span, and followed over the candles of a window."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
from stable_baselines3.common.base_class import BaseAlgorithm

from agent_market.rl.best_model_callback import KeepBest
from agent_market.rl.env.batch import TradingBatch
from agent_market.rl.env.market import MarketArrays, market_arrays
from agent_market.rl.env.settings import EnvSettings
from agent_market.utils.arrays import Floats

logger = logging.getLogger(__name__)


class BestOnLaterSpan(KeepBest):
    """Play the later span now and then; in the end, give the policy the weights that did best there."""

    def __init__(self, market: MarketArrays, settings: EnvSettings, every: int) -> None:
        super().__init__(every)
        self._batch = TradingBatch(market, settings.model_copy(update={"episode_candles": None}))

    def worth(self) -> float:
        return played_gain(self.model, self._batch)

    def _on_training_end(self) -> None:
        super()._on_training_end()
        logger.info("The best policy made %+.2f%% on the later span.", 100 * self.best)


def played_gain(model: BaseAlgorithm, batch: TradingBatch) -> float:
    """The return of one account that follows the policy's likeliest actions through each stretch in turn."""
    growth = 1.0
    for start in batch.episode_starts:
        batch.reset(np.random.default_rng(0), starts=np.array([start]))
        ended = False
        while not ended:
            batch.advance(act(model, batch))
            ended = bool(batch.terminated[0] or batch.truncated[0])
        growth *= max(float(batch.accounts["equity"][0]), 0.0) / batch.settings.balance
    return growth - 1.0


def act(model: BaseAlgorithm, batch: TradingBatch) -> Floats:
    """(size,) the policy's likeliest action of each account."""
    masks: dict[str, Any] = (
        {"action_masks": batch.action_masks()} if type(model).__name__ == "MaskablePPO" else {}
    )
    actions, _ = model.predict(batch.observe(), deterministic=True, **masks)
    return np.asarray(actions, dtype=float)


def followed(
    model: BaseAlgorithm, environment: EnvSettings, candles: pd.DataFrame, features: pd.DataFrame
) -> tuple[Floats, Floats]:
    """(T,) the policy's action at each close, and (T,) the position it leads to, from flat at the start.

    The first rows, short of a window, get 0 (hold).  No row sees a later one: the last candle's action is
    taken on an extra candle that only repeats its close, for a decision needs a candle that it would fill in.
    """
    window = environment.window
    if len(candles) < window:
        return np.zeros(len(candles)), np.zeros(len(candles))
    dates = candles["date"]
    step = dates.iloc[-1] - dates.iloc[-2] if len(dates) > 1 else pd.Timedelta(hours=1)
    extra = pd.DataFrame(
        {
            "date": [dates.iloc[-1] + step * k for k in (1, 2)],
            "open": candles["close"].iloc[-1],
            "close": candles["close"].iloc[-1],
        }
    )
    longer = pd.concat([candles[["date", "open", "close"]], extra], ignore_index=True)
    shown = pd.concat([features, features.iloc[[-1, -1]]], ignore_index=True)
    settings = environment.model_copy(update={"episode_candles": None, "max_drawdown": 1.0})
    batch = TradingBatch(market_arrays(longer, shown), settings)
    batch.reset(np.random.default_rng(0), starts=batch.episode_starts[:1])
    actions, positions = np.zeros((2, len(candles)))
    for row in range(window - 1, len(candles)):
        action = act(model, batch)
        actions[row] = action[0]
        batch.advance(action)
        positions[row] = batch.accounts["depth"][0]
        if batch.terminated[0]:
            break
    return actions, positions
