"""The observation and action spaces of an environment, for gymnasium and Stable-Baselines3."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from agent_market.rl.env.batch import TradingBatch
from agent_market.rl.env.settings import ACTION_NAMES


def observation_space(batch: TradingBatch) -> spaces.Space[Any]:
    """(width,) float32; features are as the caller scaled them, hence without bounds."""
    return spaces.Box(-np.inf, np.inf, (batch.width,), np.float32)


def action_space(batch: TradingBatch) -> spaces.Space[Any]:
    """A number of the action set, or (1,) a depth in [-1, 1]."""
    names = ACTION_NAMES[batch.settings.actions]
    return spaces.Discrete(len(names)) if names else spaces.Box(-1.0, 1.0, (1,), np.float32)
