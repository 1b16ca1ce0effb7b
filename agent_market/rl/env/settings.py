"""What a trading environment may be told, one sentence a field."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agent_market.config import Settings, StopRule

Actions = Literal["sides", "orders", "grades", "target"]
Reward = Literal["return_depth", "differential_sharpe", "drawdown_aware"]

ACTION_NAMES: dict[Actions, tuple[str, ...]] = {
    "sides": ("short", "flat", "long"),
    "orders": ("hold", "enter_long", "exit_long", "enter_short", "exit_short"),
    "grades": ("short", "half_short", "flat", "half_long", "long"),
    "target": (),
}
"""What each number of a discrete action set asks for; `orders` numbers them as FreqAI's Base5ActionRLEnv."""


class EnvSettings(Settings):
    """One trading environment."""

    actions: Actions = "sides"
    """`sides` 3 positions, `orders` FreqAI's 5, `grades` 5 positions, `target` any depth in [-1, 1]."""
    reward: Reward = "return_depth"
    """What a step is worth: the account's return, its differential Sharpe ratio, or return less drawdown."""
    reward_scale: float = Field(default=100.0, gt=0)
    """Rewards are multiplied by this; at 100 a return is in per cent."""
    window: int = Field(default=1, ge=1)
    """Candles of features in an observation, the newest last."""
    balance: float = Field(default=1000.0, gt=0)
    """Stake currency at the start of an episode."""
    stake_fraction: float = Field(default=0.95, gt=0, le=1)
    """Share of the balance staked at full depth, as freqtrade's `tradable_balance_ratio` with one slot."""
    leverage: float = Field(default=1.0, ge=1)
    """Position value over stake. Liquidation is not modelled: the drawdown stop comes first."""
    can_short: bool = False
    """Whether negative depth sells short; if not, it means flat."""
    fee: float = Field(default=0.001, ge=0, lt=0.1)
    """Fee of each fill as a fraction of its value."""
    slippage: float = Field(default=0.0002, ge=0, lt=0.1)
    """How much worse than the open a fill is, as a fraction of the price."""
    amount_step: float = Field(default=0.0, ge=0)
    """Amounts are cut to multiples of this (the exchange's lot size); 0 cuts nothing."""
    min_change: float = Field(default=0.1, ge=0, lt=1)
    """Within a position, changes of depth smaller than this are not traded (`grades` and `target`)."""
    max_drawdown: float = Field(default=0.5, gt=0, le=1)
    """The episode ends when equity has fallen this far from its peak, and the position is closed."""
    episode_candles: int | None = Field(default=None, ge=2)
    """Candles of one episode; unset plays each stretch of candles from end to end."""
    sharpe_rate: float = Field(default=0.01, gt=0, lt=1)
    """Rate of the moving moments in the differential Sharpe ratio (Moody & Saffell's eta)."""
    sharpe_prior: float = Field(default=0.01, gt=0)
    """Standard deviation of returns that these moments start from."""
    drawdown_weight: float = Field(default=1.0, ge=0)
    """What each unit of new drawdown costs in units of return (`drawdown_aware`)."""
    stop: StopRule | None = None
    """Stop inside the candles; unset has none. Needs the market's `ranges`. `fixed`: `stop_distance` from the
    entry; `atr`: what `custom_stoploss` of a guarded strategy sets, and it only tightens."""
    stop_distance: float = Field(default=0.1, gt=0, lt=1)
    """Distance of the `fixed` stop as a fraction of price (freqtrade's `stoploss` over the leverage)."""
    price_step: float = Field(default=0.0, ge=0)
    """Stops are rounded to multiples of this (the exchange's tick), towards the price; 0 rounds nothing."""
    use_take: bool = False
    """Whether a position is closed, and none entered, at the open after a candle with the market's `take`."""
    hold_most: int | None = Field(default=None, ge=1)
    """Candles after which a position is closed at the open; unset holds without limit."""

    @property
    def has_exits(self) -> bool:
        """Whether the account leaves positions by a rule of its own, beside the actions."""
        return self.stop is not None or self.use_take or self.hold_most is not None
