"""From a depth to a position."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from agent_market.config.base import Settings


class SizingSettings(Settings):
    """How the depth becomes a position."""

    mode: Literal["target", "threshold"] = "target"
    """`target`: the depth is a share of the pair's budget, adjusted at each decision and left at depth 0;
    `threshold`: one entry with the whole stake at `entry_threshold`, one exit at `exit_threshold`."""
    full_depth: float = Field(default=10.0, gt=0, le=10)
    """Depth from which the target is the pair's whole budget, before the volatility target."""
    volatility_target: float | None = Field(default=0.40, gt=0)
    """Volatility a year, as a fraction, that a pair's budget is brought down to; null leaves it alone."""
    volatility_days: int = Field(default=60, ge=2, le=365)
    """Days over which the volatility of a pair is measured."""
    holding_days: float = Field(default=10.0, gt=0)
    """Days a position is expected to be held, over which a change of it has to earn its cost."""
    least_change: float = Field(default=0.02, ge=0, lt=1)
    """Least change of the share that is traded, however cheap."""
    most_change: float = Field(default=0.10, gt=0, lt=1)
    """Change of the share that is always traded, however dear."""

    @model_validator(mode="after")
    def _ordered(self) -> SizingSettings:
        if self.least_change > self.most_change:
            raise ValueError(
                f"needs least_change <= most_change, got {self.least_change}, {self.most_change}"
            )
        return self
