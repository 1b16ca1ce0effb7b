"""Limits before, in and after a trade, and the circuit breaker."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from agent_market.config.base import Settings

Share = Annotated[float, Field(gt=0, le=1)]


class EntryLimits(Settings):
    """What one entry, added entry, replaced or forced order may add; shares are of equity."""

    loss_at_stop: Share = 0.05
    """Most that a pair's whole position may lose at its stop."""
    symbol_notional: float = Field(default=0.30, gt=0)
    """Most notional in one pair, what is open included."""
    leverage: float = Field(default=1.5, ge=1)
    """Most leverage; it also caps a forced entry."""
    free_funds: float = Field(default=0.10, ge=0, lt=1)
    """Least that stays free after the entry."""
    correlated: float = Field(default=0.80, gt=0)
    """Most notional in pairs that move together: each open one counts with its correlation to the new one."""
    correlation_candles: int = Field(default=240, ge=20)
    """Newest candles from which correlations, volatility and the VaR of the book are estimated."""


class LiquidityLimits(Settings):
    """How much of what the market offers one order may take; beyond it the order waits or is split."""

    max_spread: float = Field(default=0.003, gt=0)
    """Widest spread, as a fraction of the mid price, at which an order is placed. Live only."""
    depth_share: Share = 0.25
    """Most that an order may take of the book's depth within `depth_band`. Live only."""
    depth_band: float = Field(default=0.005, gt=0, lt=1)
    """Distance from the mid price, as a fraction, within which depth counts."""
    volume_share: Share = 0.10
    """Most that an order may take of the value that a usual (median) recent candle traded."""
    volume_candles: int = Field(default=24, ge=1)
    """Newest candles of which the usual value is taken."""
    retry_minutes: float = Field(default=10.0, ge=0)
    """So long after the first refusal for poor liquidity an entry is tried again; then the pair is locked."""
    split: bool = True
    """Whether what liquidity cut off an order follows as further orders, while the window lasts."""
    split_minutes: float = Field(default=60.0, gt=0)
    """Window for the further parts of a split order, from its first."""


class StrategyShare(Settings):
    """One strategy's part of the risk budget, where several trade one account."""

    strategy: str
    """Class name of the strategy."""
    share: Share
    """Its share of the budget."""


class RiskBudget(Settings):
    """The loss at all stops together, shared between strategies and between pairs."""

    book_loss: Share = 0.15
    """Most that all open positions together may lose at their stops, as a share of equity."""
    pair_share: Share = 0.5
    """Most of what is left of the budget that one entry may take, so that the next pair finds some."""
    gap_loss: float | None = Field(default=None, gt=0, le=1)
    """Most that the whole book may lose, as a share of equity, if prices gap by `gap` past all stops at once.
    Unset: only losses at stops count."""
    gap: Share = 0.30
    """Fall that no stop is filled in, as a fraction of price; for `gap_loss`."""
    strategies: tuple[StrategyShare, ...] = ()
    """Shares by strategy; one that is not named has all of it. Together they may be at most 1."""

    @model_validator(mode="after")
    def _shared(self) -> RiskBudget:
        total = sum(row.share for row in self.strategies)
        if total > 1.0 + 1e-9:
            raise ValueError(f"the shares of `strategies` add up to {total:g}, at most 1 can be given away")
        return self


class VarLimits(Settings):
    """Value at risk of the whole book over one day."""

    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Confidence of the VaR."""
    decay: float = Field(default=0.94, gt=0, lt=1)
    """Weight that EWMA keeps of the candle before (RiskMetrics: 0.94)."""
    limit: Share = 0.08
    """Most VaR of one day, the larger of historical and EWMA, as a share of equity; beyond it no entry."""


class StopRule(Settings):
    """Where a trade's stop stands."""

    rule: Literal["fixed", "atr"] = "fixed"
    """`fixed`: the strategy's `stoploss`; `atr`: `atr_multiple` ATRs from the price, and it only tightens."""
    atr_candles: int = Field(default=14, ge=2)
    """Candles of the average true range (Wilder)."""
    atr_multiple: float = Field(default=3.0, gt=0)
    """Distance of the stop in ATRs."""
    floor: Share = 0.02
    """Least distance, as a fraction of price: a quiet market must not stop out on noise."""
    ceiling: Share = 0.10
    """Largest distance, as a fraction of price. The strategy's `stoploss` stays the last resort."""

    @model_validator(mode="after")
    def _ordered(self) -> StopRule:
        if self.floor >= self.ceiling:
            raise ValueError(f"needs floor < ceiling, got {self.floor}, {self.ceiling}")
        return self


class PositionLimits(Settings):
    """What is watched while a trade is open."""

    warn_loss: Share = 0.05
    """A trade that loses more than this, as a fraction of its stake, is alerted, once."""
    invalidation: bool = False
    """Whether a trade is left once the price passes the return that its agents said proves them wrong."""


class TighteningSettings(Settings):
    """Limits shrink as volatility rises above its usual level."""

    fast_candles: int = Field(default=24, ge=2)
    """Candles of the present volatility."""
    slow_candles: int = Field(default=240, ge=10)
    """Candles of the usual volatility."""
    floor: Share = 0.25
    """Smallest share of a limit that high volatility leaves; 1 = limits never tighten."""


class ExecutionLimits(Settings):
    """Fills against the plan, and what poor ones change."""

    max_slippage: float = Field(default=0.002, gt=0)
    """Slippage against the planned price, as a fraction, from which a fill is alerted."""
    max_fill_seconds: float = Field(default=120.0, gt=0)
    """Time from order to fill from which it is alerted."""
    fills: int = Field(default=20, ge=1)
    """Newest fills of a pair over which the mean is taken. Beyond the limit, orders in it are halved."""


class PriceSource(Settings):
    """An exchange that is asked for ticks while the bot's own does not answer."""

    exchange: str
    """Name of the exchange, as ccxt writes it; it must list the traded pairs by the same names."""
    ccxt_config: dict[str, Any] = Field(default_factory=dict)
    """As freqtrade's `exchange.ccxt_config`; no keys are needed, only public prices are asked for."""


class BreakerSettings(Settings):
    """The systemic circuit breaker: what freezes all entries, and for how long."""

    vix: float = Field(default=40.0, gt=0)
    """VIX (context series `vix`) above which entries freeze."""
    crashing_move: Share = 0.05
    """Fall over `crashing_candles`, as a fraction, from which a pair counts as crashing."""
    crashing_candles: int = Field(default=12, ge=1)
    """Candles over which that fall is measured."""
    crashing_share: Share = 0.5
    """Share of all pairs crashing at once that freezes entries; it takes two pairs at least."""
    volatility_spike: float = Field(default=4.0, gt=1)
    """Realised volatility as a multiple of the usual one, in the median pair, that freezes entries."""
    flash_crash: Share = 0.10
    """Fall within `flash_seconds` on ticks, or within one candle, of any pair that freezes entries."""
    flash_seconds: float = Field(default=300.0, gt=0)
    """Window of ticks for a flash crash."""
    day_loss: Share = 0.05
    """Loss of equity since 00:00 UTC that freezes entries until the next day."""
    stale_candles: float = Field(default=3.0, gt=1)
    """Age of the newest candle, in candles after its close, at which data are stale."""
    stale_ticks_s: float = Field(default=30.0, gt=0)
    """Seconds without an answer from the exchange's tickers at which data are stale."""
    tick_seconds: float = Field(default=0.2, gt=0)
    """Pause between two looks at the exchange's tickers."""
    tick_patience_s: float = Field(default=3.0, gt=0)
    """Seconds to wait for one answer with tickers before the next source is asked."""
    tick_retry_s: float = Field(default=2.0, gt=0)
    """While another source stands in, those before it are tried again every so many seconds."""
    tick_sources: tuple[PriceSource, ...] = ()
    """Asked for ticks in this order when the bot's own exchange, and those before, do not answer."""
    clock_candles: float = Field(default=0.5, gt=0)
    """A candle that closes so many candles after the bot's clock freezes entries: one clock is wrong."""
    cooldown_minutes: float = Field(default=60.0, ge=0, le=5_256_000)
    """So long entries stay frozen after a crash, stress or spike was last seen; ten years at most."""
    reduce_to: float | None = Field(default=None, ge=0)
    """Notional of the book, as a share of equity, down to which it is sold when it trips. Unset: no sale."""


class RiskSettings(Settings):
    """Limits in layers, on depth and on orders; each clamp is recorded with limit and value."""

    max_depth: float = Field(default=10.0, gt=0, le=10)
    """Hard ceiling on absolute depth."""
    turbulence_limit: float = Field(default=0.99, gt=0, le=1)
    """Percentile of turbulence above which long depth is halved."""
    drawdown_limit: float = Field(default=0.25, gt=0, le=1)
    """Drawdown of the pair from its recent high beyond which long depth is halved."""
    entry: EntryLimits = EntryLimits()
    """Before a trade: sizes."""
    liquidity: LiquidityLimits = LiquidityLimits()
    """Before a trade: liquidity."""
    budget: RiskBudget = RiskBudget()
    """Before a trade: the shared risk budget."""
    value_at_risk: VarLimits = VarLimits()
    """In a trade: VaR of the book."""
    stop: StopRule = StopRule()
    """In a trade: stops."""
    position: PositionLimits = PositionLimits()
    """In a trade: warnings and invalidation."""
    execution: ExecutionLimits = ExecutionLimits()
    """After a trade: fills."""
    tightening: TighteningSettings = TighteningSettings()
    """How limits follow volatility."""
    breaker: BreakerSettings = BreakerSettings()
    """Systemic circuit breaker."""
