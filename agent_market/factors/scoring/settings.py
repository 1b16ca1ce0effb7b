"""How factors are scored: one typed value, a sentence a field."""

from __future__ import annotations

from dataclasses import dataclass

from agent_market.errors import ConfigError


@dataclass(frozen=True, slots=True)
class ScoringSettings:
    """Horizon, sampling, costs, and what a factor must have to be scored at all."""

    horizon: int = 24
    """Candles over which a factor must predict; also the holding time of the sorted book."""
    horizons: tuple[int, ...] = (1, 4, 12, 24, 72, 168)
    """Horizons at which the decay of the rank IC is measured."""
    every: int | None = None
    """Rows between two samples. Unset: the horizon, so that no two returns overlap and t values hold."""
    cost: float = 0.0012
    """Fee and slippage of one side, as a fraction of what is traded."""
    min_pairs: int = 3
    """Fewest pairs with value and return for a time to count."""
    min_coverage: float = 0.8
    """Smallest share of the cells with a candle, after the warm-up, that the factor must have a value for."""
    min_times: int = 60
    """Fewest times at which the factor must have an IC."""
    min_varied: float = 0.5
    """Smallest share of the sampled times at which the factor must differ between pairs."""
    deviation_floor: float = 0.05
    """Lower bound of the IC deviation in ICIR, so that a nearly constant IC gives no extreme ratio."""
    buckets: int = 5
    """Buckets of the monotonicity measure (fewer where there are fewer pairs)."""
    lags: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
    """Lags in candles at which the rank autocorrelation is measured for the half-life."""

    def __post_init__(self) -> None:
        if self.horizon < 1 or min(self.horizons, default=1) < 1 or (self.every or 1) < 1:
            raise ConfigError(
                f"scoring horizons and sampling must be 1 or more, got {self.horizon}, {self.horizons} "
                f"and {self.every}"
            )
        if self.min_pairs < 2 or self.buckets < 2:
            raise ConfigError(
                f"min_pairs and buckets must be 2 or more, got {self.min_pairs}, {self.buckets}"
            )

    @property
    def step(self) -> int:
        """Rows between two samples."""
        return self.every or self.horizon
