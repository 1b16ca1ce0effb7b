"""`TradingEnv`: one account as a gymnasium environment."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from agent_market.rl.env.batch import Observations, TradingBatch
from agent_market.rl.env.market import MarketArrays
from agent_market.rl.env.settings import EnvSettings
from agent_market.rl.env.spaces import action_space, observation_space


class TradingEnv(gymnasium.Env[Observations, Any]):
    """One account; see `TradingBatch` for episodes and `account` for what a step does.

    `info` of every step: `equity` and `cash` in stake currency, `quantity` in base currency, and `row`, the
    candle whose close is now.
    """

    def __init__(self, market: MarketArrays, settings: EnvSettings | None = None) -> None:
        self.batch = TradingBatch(market, settings or EnvSettings())
        self.observation_space = observation_space(self.batch)
        self.action_space = action_space(self.batch)
        self._action = np.zeros(1)
        self._discrete = isinstance(self.action_space, gymnasium.spaces.Discrete)
        accounts = self.batch.accounts
        self._told = {name: accounts[name] for name in ("equity", "cash", "quantity", "row")}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin an episode.

        :param options: `start`, the row of the first decision; without it the row is drawn.
        :raises ConfigError: for a row at which no episode may start.
        """
        super().reset(seed=seed)
        start = (options or {}).get("start")
        self.batch.reset(self.np_random, starts=None if start is None else np.array([start]))
        return self.batch.observe()[0], self._info()

    def step(self, action: Any) -> tuple[Observations, float, bool, bool, dict[str, Any]]:
        """One candle; see `gymnasium.Env.step`.

        :raises ValueError: for a number that is no action.
        """
        self._action[0] = action if self._discrete else action[0]
        batch = self.batch
        batch.advance(self._action)
        return (
            batch.observe()[0],
            float(batch.rewards[0]),
            bool(batch.terminated[0]),
            bool(batch.truncated[0]),
            self._info(),
        )

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """(actions,) which actions would be followed, for MaskablePPO."""
        return self.batch.action_masks()[0]

    def _info(self) -> dict[str, Any]:
        return {name: values.item() for name, values in self._told.items()}
