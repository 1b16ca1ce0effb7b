"""Rows, verdicts and the picture from returns whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from agent_market.evaluation.context import CASH, UNIFORM
from agent_market.evaluation.plots import picture
from agent_market.evaluation.statistics import VOLATILITY, Series, by_year, doubt, matched, rows
from agent_market.evaluation.verdicts import verdicts

DAY_S = 86_400
HOLD, HEDGE, NET = "buy and hold", "hedge", "net"
TIMES = np.datetime64("2023-07-01", "s").astype(np.int64) + DAY_S * np.arange(550)


def noise(seed: int, mean: float = 0.0, deviation: float = 0.01) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(0.0, deviation, len(TIMES))
    return drawn - drawn.mean() + mean


def series(*returns: np.ndarray) -> Series:
    table = np.stack(returns)
    return Series(table, np.full(table.shape, 0.5))


@pytest.fixture(scope="module")
def played() -> dict[str, Series]:
    return {
        CASH: series(np.zeros(len(TIMES))),
        HOLD: series(noise(1, 0.0002)),
        UNIFORM: series(noise(2, -0.0005)),
        HEDGE: series(noise(3, 0.0001)),
        NET: series(noise(4, 0.002), noise(5, 0.001)),
    }


def test_at_matched_volatility_depth_is_worth_nothing() -> None:
    one = noise(1, 0.0003)
    assert matched(5.0 * one, DAY_S) == pytest.approx(matched(one, DAY_S))
    assert matched(one, DAY_S).std(ddof=1) * np.sqrt(365) == pytest.approx(VOLATILITY)
    assert (matched(np.zeros(10), DAY_S) == 0.0).all()


def test_a_row_is_the_mean_of_its_seeds_and_not_their_ensemble(played) -> None:
    found = {
        row.name: row
        for row in rows(played, dict.fromkeys(played, "net"), TIMES, DAY_S, 5.0, (HEDGE, HOLD), {NET: 0.5})
    }
    net = found[NET]
    one, two = (matched(r, DAY_S).mean() * 365 for r in played[NET].returns)
    assert net.rate == pytest.approx((one + two) / 2)
    assert net.spread == pytest.approx(abs(one - two) / np.sqrt(2))
    assert net.total == pytest.approx((0.002 + 0.001) / 2 * len(TIMES))
    assert net.turnover == pytest.approx(0.5 * 365)
    assert net.over_hedge.value == pytest.approx(net.rate - found[HEDGE].rate)
    assert net.over_hold.value == pytest.approx(net.rate - found[HOLD].rate)
    assert net.over_cash.low < net.rate < net.over_cash.high
    assert net.passed == 0.5
    flat = found[CASH]
    assert (flat.rate, flat.drawdown, flat.over_cash.low, flat.over_cash.high) == (0.0, 0.0, 0.0, 0.0)
    assert found[HEDGE].over_hedge.value == 0.0


def test_a_fall_is_counted_from_the_start_on() -> None:
    times = TIMES[:4]
    made = series(np.array([-0.01, 0.02, -0.03, 0.01]))
    row = rows(
        {HEDGE: made, HOLD: made}, {HEDGE: "online", HOLD: "reference"}, times, DAY_S, 1.0, (HEDGE, HOLD), {}
    )[0]
    scale = matched(made.returns[0], DAY_S)[1] / 0.02
    assert row.drawdown == pytest.approx(0.03 * scale)


def test_years_are_calendar_years_and_sum_to_the_whole() -> None:
    one = noise(6, 0.001)
    years = by_year(one, TIMES)
    assert list(years) == [2023, 2024]
    assert sum(year.value for year in years.values()) == pytest.approx(one.sum())
    # 1 July to 31 December.
    assert years[2023].value == pytest.approx(one[:184].sum())


def test_doubt_counts_what_the_ledger_counts(played) -> None:
    few = doubt(played, DAY_S, 5, (HEDGE, CASH, HOLD))
    many = doubt(played, DAY_S, 500, (HEDGE, CASH, HOLD))
    assert few.spa_cash < 0.05
    assert few.pbo is not None
    assert few.pbo < 0.2
    assert few.effective <= 5.0 < many.effective <= 500.0


def test_what_was_wanted_is_judged_year_by_year(played) -> None:
    made = {name: one.matched(DAY_S).mean(axis=0) for name, one in played.items()}
    kinds = {CASH: "reference", HOLD: "reference", UNIFORM: "online", HEDGE: "online", NET: "net"}
    paths = {name: np.cumsum(one) for name, one in made.items()}
    good = verdicts(NET, paths, kinds, TIMES)
    assert [v.year for v in good] == [2023, 2024]
    assert all(v.keeps_up and v.not_below_cash for v in good)
    for v in good:
        here = TIMES.astype("datetime64[s]").astype("datetime64[Y]").astype(int) + 1970 == v.year
        assert v.best == max((n for n in kinds if n != NET), key=lambda n: made[n][here].sum())
        assert v.over_equal.value == pytest.approx((made[NET] - made[UNIFORM])[here].sum())
    worst = verdicts(NET, {**paths, NET: np.cumsum(np.full(len(TIMES), -0.01) + noise(7) / 10)}, kinds, TIMES)
    assert not any(v.keeps_up or v.above_equal or v.not_below_cash for v in worst)


def test_the_picture_is_small_names_everyone_and_holds_together(played) -> None:
    paths = {name: np.cumsum(one.returns[0]) for name, one in played.items()}
    drawn = picture("A & B", TIMES, paths, list(paths))
    assert len(drawn.encode()) < 100_000
    assert drawn.count("<polyline") == len(paths)
    assert "A &amp; B" in drawn
    assert all(f">{name} " in drawn for name in paths)
