"""Each planted rule is found by a simple statistic, in its own world and in no other."""

from __future__ import annotations

import numpy as np
import pytest

from agent_market.errors import SandboxError
from agent_market.sandbox.market.candles import DAY, HOUR
from agent_market.sandbox.market.planted import (
    EVENT_KINDS,
    MOMENTUM_HOURS,
    MOMENTUM_KIND,
    RULES,
    TREND_HOURS,
    VIX_LIMIT,
    PlantedRule,
    PlantedSource,
)

SEEDS = range(5)
FOUND, NOT_FOUND = 5.0, 3.7
"""t-values; of 5 seeds x 4 worlds x 5 statistics of noise, one in 50 such tables has a value beyond 3.7."""


def t_value(values: np.ndarray) -> float:
    return float(values.mean() / (values.std(ddof=1) / np.sqrt(len(values))))


def hourly(world: PlantedSource) -> tuple[np.ndarray, np.ndarray]:
    candles = world.candles(world.pair, "1h", *world.span(world.pair))
    return candles.time, np.diff(np.log(candles.close), prepend=np.log(candles.open[0]))


def trend_by_vix(world: PlantedSource) -> tuple[float, float]:
    """t of an hour's return in the direction of the day before, while the index is calm, and above 30."""
    times, returns = hourly(world)
    total = np.concatenate([[0.0], np.cumsum(returns)])
    rows = np.arange(TREND_HOURS, len(returns))
    gains = np.sign(total[rows] - total[rows - TREND_HOURS]) * returns[rows]
    high = np.array([world.vix(int(time)) > VIX_LIMIT for time in times[rows]])
    assert 0.1 < high.mean() < 0.6
    return t_value(gains[~high]), t_value(gains[high])


def momentum_after(world: PlantedSource, kind: str) -> float:
    """t of the return of the day after an event, in the direction of the event's hour."""
    times, returns = hourly(world)
    gains = []
    for event in world.events:
        row = int(np.searchsorted(times, event.time))
        if event.kind == kind and row + MOMENTUM_HOURS < len(returns):
            after = returns[row + 1 : row + 1 + MOMENTUM_HOURS].sum()
            gains.append(np.sign(returns[row]) * after)
    assert len(gains) > 50
    return t_value(np.array(gains))


def tuesday_ratio(world: PlantedSource) -> float:
    times, spreads = world.spreads()
    tuesday = (times // DAY + 3) % 7 == 1
    return float(np.median(spreads[tuesday]) / np.median(spreads[~tuesday]))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rule", RULES)
def test_each_rule_shows_in_its_own_world_and_nowhere_else(rule: PlantedRule, seed: int) -> None:
    world = PlantedSource(rule, seed)
    calm, wild = trend_by_vix(world)
    momentum = {kind: momentum_after(world, kind) for kind in EVENT_KINDS}
    if rule == "vix_trend":
        assert calm > FOUND
        assert wild < -FOUND
    else:
        assert max(abs(calm), abs(wild)) < NOT_FOUND
    if rule == "event_momentum":
        assert momentum[MOMENTUM_KIND] > FOUND
    elif rule != "vix_trend":  # there a day's direction goes on after any hour, an event's too
        assert abs(momentum[MOMENTUM_KIND]) < NOT_FOUND
        assert max(abs(value) for value in momentum.values()) < NOT_FOUND
    assert tuesday_ratio(world) == pytest.approx(2.0 if rule == "tuesday_spread" else 1.0, rel=0.05)


def test_a_world_is_the_same_under_the_same_seed_in_whatever_range() -> None:
    first, second = PlantedSource("vix_trend", 3), PlantedSource("vix_trend", 3)
    start, end = first.span(first.pair)
    whole = first.candles(first.pair, "4h", start, end)
    part = second.candles(first.pair, "4h", start + 40 * HOUR, start + 80 * HOUR)
    np.testing.assert_array_equal(part.close, whole.between(start + 40 * HOUR, start + 80 * HOUR).close)
    assert first.events == second.events
    assert PlantedSource("vix_trend", 4).events != first.events
    assert (whole.high >= np.maximum(whole.open, whole.close)).all()
    assert (whole.low <= np.minimum(whole.open, whole.close)).all()


def test_the_index_of_a_day_is_not_known_before_the_day_is_over() -> None:
    world = PlantedSource("none", 1, days=10)
    start = world.span(world.pair)[0]
    assert np.isnan(world.vix(start + DAY - 1))
    assert world.vix(start + DAY) == world.vix(start + 2 * DAY - 1) != world.vix(start + 2 * DAY)


def test_an_unknown_rule_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SandboxError, match="vix_trend"):
        PlantedSource("moon", 1)  # type: ignore[arg-type]
    with pytest.raises(SandboxError, match="1h and longer"):
        PlantedSource("none", 1).candles("BTC/USDT", "5m", 0, 1)
