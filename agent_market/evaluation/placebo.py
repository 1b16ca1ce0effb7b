"""Worlds in which there is nothing to find. Whatever is found there would be found anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from freqtrade.exchange import timeframe_to_seconds

from agent_market.decision.panel import DecisionPanel
from agent_market.evaluation.context import CASH, EvaluationContext
from agent_market.evaluation.plan import Plan
from agent_market.evaluation.run_folds import Tell, folds_of, panel_of, play, spread
from agent_market.evaluation.statistics import VOLATILITY, matched, yearly
from agent_market.stats.validation import superior
from agent_market.utils.arrays import Floats, Ints

BLOCK = 20
"""Moments in one block of the block shuffle: ten days of twelve-hour decisions."""


def sign_shuffled(panel: DecisionPanel, seed: int) -> DecisionPanel:
    """Every moment's returns times +1 or -1, the same for all pairs: sizes and ties between pairs stay."""
    sign = np.random.default_rng(seed).choice([-1.0, 1.0], len(panel))[:, None]
    return replace(panel, returns=panel.returns * sign, outcome=panel.outcome * sign)


def block_shuffled(panel: DecisionPanel, seed: int, block: int = BLOCK) -> DecisionPanel:
    """Returns in another order, in blocks: what came of a decision is what came of one at another time.

    Returns are taken in units of what was expected, so that calm and wild spans keep their size, and each
    pair's mean is taken off, or who is always long would earn what the market did.
    """
    order = _shuffled_blocks(len(panel), block, seed)

    def moved(returns: Floats) -> Floats:
        units = returns / panel.sigma
        return (units - np.nanmean(units, axis=0))[order] * panel.sigma

    return replace(panel, returns=moved(panel.returns), outcome=moved(panel.outcome))


def _shuffled_blocks(count: int, block: int, seed: int) -> Ints:
    starts = np.arange(0, count, block)
    np.random.default_rng(seed).shuffle(starts)
    return np.concatenate([np.arange(start, min(start + block, count)) for start in starts.tolist()])


def synthetic_candles(
    pairs: Sequence[str], count: int, timeframe_s: int, seed: int, start_s: int = 1_600_300_800
) -> dict[str, pd.DataFrame]:
    """Candles of markets without any edge, nor drift: prices are martingales with clustered volatility.

    GARCH(1, 1) with Student-t shocks (Bollerslev 1987), half of each shock common to all pairs; volume rises
    with the size of the move and says nothing about what follows.
    """
    rng = np.random.default_rng(seed)
    width = len(pairs)
    shocks = rng.standard_t(5, (count, width + 1)) * np.sqrt(3 / 5)
    shocks = (shocks[:, :1] + shocks[:, 1:]) / np.sqrt(2.0)
    variance = np.full(width, 0.006**2)
    returns = np.empty((count, width))
    for t in range(count):
        returns[t] = np.sqrt(variance) * shocks[t]
        variance = 0.02 * 0.006**2 + 0.05 * returns[t] ** 2 + 0.93 * variance
    # Simple returns with mean 0: the price, not its logarithm, is the martingale.
    close = 100.0 * np.cumprod(1.0 + np.maximum(returns, -0.5), axis=0)
    opened = np.vstack([np.full(width, 100.0), close[:-1]])
    reach = np.abs(rng.normal(0.0, 0.003, (2, count, width)))
    volume = np.exp(rng.normal(5.0, 0.5, (count, width)) + 40.0 * np.abs(returns))
    dates = pd.to_datetime(start_s + timeframe_s * np.arange(count), unit="s", utc=True).as_unit("s")
    return {
        pair: pd.DataFrame(
            {
                "date": dates,
                "open": opened[:, i],
                "high": np.maximum(opened, close)[:, i] * (1.0 + reach[0, :, i]),
                "low": np.minimum(opened, close)[:, i] * (1.0 - reach[1, :, i]),
                "close": close[:, i],
                "volume": volume[:, i],
            }
        )
        for i, pair in enumerate(pairs)
    }


WORLDS = ("signs shuffled", "blocks shuffled", "synthetic")


@dataclass(frozen=True, slots=True)
class Placebo:
    """One draw of a world without anything to find, at no cost.

    `found` of `tried` contenders (cash not among them) were above it with p <= 0.05; `best` is the highest
    Sharpe ratio a year; `spa` Hansen's p-value of "nothing beats cash".
    """

    world: str
    draw: int
    found: int
    tried: int
    best: float
    spa: float


def placebos(
    candles: Mapping[str, pd.DataFrame], panel: DecisionPanel, plan: Plan, jobs: int, tell: Tell
) -> tuple[Placebo, ...]:
    """Every draw of every world; `panel` is the real one, whose returns are shuffled."""
    count = min(len(frame) for frame in candles.values())
    tasks = [(world, draw, panel, plan, count) for world in WORLDS for draw in range(plan.placebo_draws)]
    names = [f"{world}, draw {draw}" for world, draw, *_ in tasks]
    return tuple(spread(placebo, tasks, names, jobs, tell))


def placebo(world: str, draw: int, panel: DecisionPanel, plan: Plan, count: int) -> Placebo:
    """One draw of one world, every contender in it with one seed, at no cost."""
    period_s = plan.every * timeframe_to_seconds(plan.timeframe)
    if world == "signs shuffled":
        panel = sign_shuffled(panel, draw)
    elif world == "blocks shuffled":
        panel = block_shuffled(panel, draw)
    else:
        panel = panel_of(synthetic_candles(plan.pairs, count, period_s // plan.every, draw), plan, 0)
    arena = EvaluationContext(panel, folds_of(panel, plan), 0.0, effort=plan.effort)
    made = {name: matched(r, period_s) for name, (r, _) in play(arena, draw, unseeded=True).made.items()}
    flat = made.pop(CASH)
    rates = {name: yearly(one, period_s) for name, one in made.items()}
    return Placebo(
        world=world,
        draw=draw,
        found=sum(rate.p <= 0.05 for rate in rates.values()),
        tried=len(rates),
        best=max(rate.value for rate in rates.values()) / VOLATILITY,
        spa=superior(flat, made),
    )
