"""What an evaluation does, as settings, and the moments that follow from it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pydantic import Field

from agent_market.config import Settings

DAY_S = 86_400


class Plan(Settings):
    """One evaluation."""

    pairs: tuple[str, ...] = ("BTC/USDT", "ETH/USDT", "BNB/USDT", "SOL/USDT", "XRP/USDT")
    """Pairs, each with the same share of the capital."""
    timeframe: str = "1h"
    """Candles."""
    every: int = Field(default=12, ge=1)
    """Candles between two decisions."""
    seeds: int = Field(default=5, ge=1)
    """Fits of everything that draws random numbers; a row is their mean."""
    first_train_days: int = Field(default=182, ge=10)
    """Days before the first test span."""
    step_days: int = Field(default=182, ge=5)
    """Days of a test span; everything is fitted anew for each."""
    embargo_days: int = Field(default=1, ge=0)
    """Days before a test span from which nothing is learned, beyond purging."""
    holdout_days: int = Field(default=182, ge=1)
    """The newest days: sealed, unless the holdout is opened."""
    placebo_draws: int = Field(default=1, ge=0)
    """Draws of each world in which there is nothing to find."""
    effort: float = Field(default=1.0, gt=0, le=1)
    """Share of the usual passes that nets are trained for: below 1 only to try the command out."""

    @property
    def key(self) -> str:
        """Content address of the plan."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Scenario:
    """A cost of one side (fraction of what is traded), and candles that a fill comes late."""

    name: str
    cost: float
    delay: int = 0


SCENARIOS = (
    Scenario("0 bp", 0.0),
    Scenario("2 bp", 0.0002),
    Scenario("10 bp", 0.0010),
    Scenario("2 bp, one candle late", 0.0002, delay=1),
)
MAIN = "10 bp"
"""The scenario that the picture and the terminal show."""
