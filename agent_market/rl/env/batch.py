"""Many accounts in one market, stepped together: the environment without any framework around it.

Actions and everything that comes back are numpy arrays; `torch.from_numpy` shares their memory.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agent_market.errors import ConfigError
from agent_market.rl.env.account import (
    ACCOUNT,
    ENTER_LONG,
    ENTER_SHORT,
    EXIT_LONG,
    EXIT_SHORT,
    HOLD,
    STATE_NAMES,
    advance,
    observe,
    rules_of,
)
from agent_market.rl.env.market import RANGE, Int64, MarketArrays
from agent_market.rl.env.settings import ACTION_NAMES, EnvSettings

Observations = npt.NDArray[np.float32]


class TradingBatch:
    """`size` accounts over the same arrays.

    An episode is a stretch of candles, or a window of `episode_candles` that starts at a random row of one.
    It ends *truncated* at its last candle, where the position is closed at the open, or *terminated* by the
    drawdown stop.  An account whose episode has ended must be `reset` before the next `advance`.
    """

    def __init__(self, market: MarketArrays, settings: EnvSettings, size: int = 1) -> None:
        """
        :raises ConfigError: if `size` is less than 1, or an exit is set that the market has no ranges for.
        :raises DataError: if no stretch of the market is long enough for an episode.
        """
        if size < 1:
            raise ConfigError(f"a batch of {size} accounts; it needs at least 1")
        self.market = market
        self.settings = settings
        self.size = size
        self.accounts = np.zeros(size, ACCOUNT)
        self.rewards = np.zeros(size)
        self.terminated = np.zeros(size, dtype=np.bool_)
        self.truncated = np.zeros(size, dtype=np.bool_)
        self._rules = rules_of(settings)
        self._ranges = ranges_of(market, settings)
        self._window = settings.window
        self._starts, self._lasts = market.episodes(settings.window, settings.episode_candles)
        self.width = settings.window * len(market.names) + len(STATE_NAMES)

    @property
    def observation_names(self) -> tuple[str, ...]:
        """What each of the `width` numbers of an observation is: `feature[-k]` is k candles ago."""
        ages = range(self.settings.window - 1, -1, -1)
        lagged = (f"{name}[-{age}]" if age else name for age in ages for name in self.market.names)
        return (*lagged, *STATE_NAMES)

    @property
    def episode_starts(self) -> Int64:
        """Rows at which an episode may start: the decision there is the first."""
        return self._starts

    def reset(
        self, rng: np.random.Generator, where: Int64 | None = None, starts: Int64 | None = None
    ) -> None:
        """Begin new episodes, flat and with the starting balance.

        :param rng: draws the episodes; nothing else in an environment is random.
        :param where: indices of the accounts; None is all.
        :param starts: rows to start at instead, one for each account.
        :raises ConfigError: for a row at which no episode may start.
        """
        chosen = np.arange(self.size) if where is None else where
        if starts is None:
            episodes = rng.integers(len(self._starts), size=len(chosen))
        else:
            episodes = np.minimum(np.searchsorted(self._starts, starts), len(self._starts) - 1)
            wrong = self._starts[episodes] != starts
            if wrong.any():
                allowed = f"{self._starts[0]} to {self._starts[-1]}"
                row = np.asarray(starts)[wrong][0]
                raise ConfigError(f"no episode may start at row {row}; rows that allow one lie in {allowed}")
        fresh = np.zeros(len(chosen), ACCOUNT)
        fresh["row"], fresh["last"] = self._starts[episodes], self._lasts[episodes]
        for money in ("cash", "equity", "peak"):
            fresh[money] = self.settings.balance
        fresh["square"] = self.settings.sharpe_prior**2
        self.accounts[chosen] = fresh

    def advance(self, actions: npt.NDArray[np.float64]) -> None:
        """One step of all accounts; fills `rewards`, `terminated` and `truncated`, (size,) each.

        :param actions: (size,) float64 numbers of the action set, see `settings.ACTION_NAMES`; for `target`
            the depth, cut to [-1, 1].
        :raises ValueError: for a number that is no action; no account has then moved.
        """
        bad = advance(
            self.accounts,
            self.market.candles,
            self._ranges,
            actions,
            self._rules,
            self.rewards,
            self.terminated,
            self.truncated,
        )
        if bad >= 0:
            raise ValueError(f"{actions[bad]} (account {bad}) is no action of `{self.settings.actions}`")

    def observe(self, out: Observations | None = None) -> Observations:
        """(size, width) float32, written to `out` or to a new array."""
        out = np.empty((self.size, self.width), dtype=np.float32) if out is None else out
        observe(self.accounts, self.market.candles, self.market.features, self._window, out)
        return out

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """(size, actions) which actions of a discrete set would be followed (for MaskablePPO)."""
        names = ACTION_NAMES[self.settings.actions]
        masks = np.ones((self.size, len(names)), dtype=np.bool_)
        if self.settings.actions == "orders":
            depth = self.accounts["depth"]
            masks[:, HOLD] = True
            masks[:, ENTER_LONG] = depth == 0.0
            masks[:, EXIT_LONG] = depth > 0.0
            masks[:, ENTER_SHORT] = (depth == 0.0) & self.settings.can_short
            masks[:, EXIT_SHORT] = depth < 0.0
        elif not self.settings.can_short:
            masks[:, : len(names) // 2] = False
        return masks


def ranges_of(market: MarketArrays, settings: EnvSettings) -> np.ndarray:
    """(T,) `RANGE` for the kernels; of length 0 where the settings have no exits.

    :raises ConfigError: if a stop or `take` is set and the market has no ranges.
    """
    if not settings.has_exits:
        return np.zeros(0, RANGE)
    if market.ranges is not None:
        return market.ranges
    if settings.stop is not None or settings.use_take:
        needs = "stop" if settings.stop is not None else "use_take"
        raise ConfigError(
            f"`{needs}` is set, but the market has no ranges; "
            "make it with market_arrays(..., ranges=price_ranges(candles))"
        )
    return np.zeros(len(market), RANGE)
