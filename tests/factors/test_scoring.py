"""Scores: worked out by hand where that is possible, and honest about what says nothing."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from agent_market.errors import ConfigError, DataError
from agent_market.factors.engine import Engine
from agent_market.factors.novelty import distance, novelty
from agent_market.factors.panel import CandlePanel
from agent_market.factors.parse import parse_factor
from agent_market.factors.scoring.book import monotonicity, sorted_book
from agent_market.factors.scoring.ic import summary
from agent_market.factors.scoring.joint import FactorEvidence, JointModel, contributions
from agent_market.factors.scoring.kernels import correlations, rank_weights
from agent_market.factors.scoring.persistence import half_life
from agent_market.factors.scoring.regimes import market_regimes
from agent_market.factors.scoring.sample import Sample, forward_returns
from agent_market.factors.scoring.scorer import Scorer
from agent_market.factors.scoring.settings import ScoringSettings
from tests.helpers.factor_samples import panel

SETTINGS = ScoringSettings(horizon=4, horizons=(1, 4, 8), lags=(1, 2, 4, 8))


def long_panel(seed: int = 0) -> CandlePanel:
    return panel(rows=2_000, pairs=6, seed=seed, missing=0.01, start="2023-11-20 03:00")


def test_the_forward_return_is_entered_at_the_next_open() -> None:
    market = panel(rows=30, pairs=2, missing=0)
    returns = forward_returns(market, 3)
    close, opened = market.columns["close"], market.columns["open"]
    assert returns[1, 10] == pytest.approx(close[1, 13] / opened[1, 11] - 1)
    assert np.isnan(returns[:, -3:]).all()


def test_a_span_sees_no_return_that_ends_after_it() -> None:
    market = long_panel()
    whole, early = Sample.of(market, SETTINGS), Sample.of(market, SETTINGS, 0, 1_000)
    assert early.rows[-1] + SETTINGS.horizon < 1_000
    np.testing.assert_array_equal(early.returns[4], whole.returns[4][: len(early.rows)])
    # At the longest horizon the last rows have no complete return within the span, though the panel goes on.
    assert np.isnan(early.returns[8][-1]).all()
    assert not np.isnan(whole.returns[8][len(early.rows) - 1]).all()


def test_rank_ic_is_spearman_over_the_pairs_that_have_both() -> None:
    random = np.random.default_rng(1)
    x, y = random.integers(0, 5, (50, 8)).astype(float), random.normal(size=(50, 8))
    x[random.random(x.shape) < 0.2] = np.nan
    plain, ranked = correlations(x, y, 3)
    for t in range(50):
        there = ~np.isnan(x[t])
        if there.sum() >= 3 and np.ptp(x[t, there]) > 0:
            assert plain[t] == pytest.approx(np.corrcoef(x[t, there], y[t, there])[0, 1])
            assert ranked[t] == pytest.approx(spearmanr(x[t, there], y[t, there])[0])
        else:
            assert np.isnan(ranked[t])


def test_a_factor_that_knows_the_future_scores_one_and_its_opposite_minus_one() -> None:
    market = long_panel()
    future = forward_returns(market, SETTINGS.horizon)
    scorer = Scorer(market, SETTINGS)
    score = scorer.score(np.nan_to_num(future))
    assert score.screening.rank_ic.mean == pytest.approx(1.0, abs=0.02)
    assert score.monotonicity == pytest.approx(1.0)
    assert score.book.net > 0.005
    assert score.direction == 1
    assert scorer.score(-np.nan_to_num(future)).direction == -1
    assert scorer.score(-np.nan_to_num(future)).book.net == pytest.approx(score.book.net)


def test_noise_scores_nothing() -> None:
    market = long_panel()
    noise = np.random.default_rng(5).normal(size=market.columns["close"].shape)
    score = Scorer(market, SETTINGS).score(noise)
    assert abs(score.screening.rank_ic.t) < 3
    assert score.screening.rejected is None
    assert score.half_life < 1.01
    assert score.book.net < 0  # it trades all the time, and pays for it


def test_icir_has_a_floor_under_the_deviation() -> None:
    series = np.full(100, 0.02) + np.tile([1e-6, -1e-6], 50)
    assert series.mean() / series.std() > 400
    found = summary(series, 0.05)
    assert found.ratio == pytest.approx(0.02 / 0.05)
    assert found.t == pytest.approx(0.02 / 0.05 * 10)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (lambda shape: np.where(np.arange(shape[1]) % 2, np.nan, 1.0) * np.ones(shape), "50%"),
        (lambda shape: np.ones(shape), "at 0 times"),
        (lambda shape: np.full(shape, np.nan), "0% of the cells"),
    ],
)
def test_a_degenerate_factor_is_rejected_with_the_reason(values, says: str) -> None:
    market = panel(rows=2_000, pairs=6, missing=0)
    settings = ScoringSettings(horizon=3, horizons=(3,))
    rejected = Scorer(market, settings).screen(values(market.columns["close"].shape)).rejected
    assert rejected is not None
    assert says in rejected


def test_the_warm_up_does_not_count_against_coverage() -> None:
    market = panel(rows=600, pairs=4, missing=0)
    values = np.random.default_rng(0).normal(size=market.columns["close"].shape)
    values[:, :200] = np.nan
    scorer = Scorer(market, SETTINGS)
    assert scorer.screen(values).coverage == pytest.approx(2 / 3, abs=0.01)
    assert scorer.screen(values, warm_up=200).coverage == 1.0


def test_the_sorted_book_by_hand() -> None:
    # Ranks 1 2 3 less 2, absolute sum 2: weights -1/2, 0, 1/2; then the other way round.
    values = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    np.testing.assert_allclose(rank_weights(values, 3), [[-0.5, 0, 0.5], [0.5, 0, -0.5]])
    returns = np.array([[0.01, 0.05, 0.03], [0.02, np.nan, 0.04]])
    book = sorted_book(values, returns, 1, cost=0.001, min_pairs=3, minutes=60)
    assert book.gross == pytest.approx(((0.03 - 0.01) / 2 + (0.02 - 0.04) / 2) / 2)
    # 1 is traded to enter, 2 to turn round.
    assert book.net == pytest.approx(book.gross - 0.001 * (1 + 2) / 2)
    assert book.turnover == pytest.approx(1.0)


def test_buckets_rise_with_the_return() -> None:
    values = np.tile([1.0, 2.0, 3.0, 4.0], (10, 1))
    steady, means = monotonicity(values, values * 0.01, 4, 3)
    assert steady == pytest.approx(1.0)
    np.testing.assert_allclose(means, [-0.015, -0.005, 0.005, 0.015])
    assert monotonicity(values, -values, 4, 3)[0] == pytest.approx(-1.0)


def test_half_life_lies_between_lags() -> None:
    assert half_life({1: 0.9, 2: 0.7, 4: 0.3}) == pytest.approx(3.0)
    assert half_life({1: 0.25}) == pytest.approx(2 / 3)
    assert half_life({1: 0.9, 2: 0.8}) == math.inf
    assert math.isnan(half_life({}))


def test_scores_are_told_apart_by_year_regime_and_pool() -> None:
    market = long_panel()
    values = Engine(market).evaluate(parse_factor("ts_return(close, 6)"))
    other = Engine(market).evaluate(parse_factor("-ts_return(close, 6)"))
    score = Scorer(market, SETTINGS, regimes=market_regimes(market)).score(
        values, warm_up=6, pool={"opposite": other, "itself": values}
    )
    assert set(score.by_year) == {"2023", "2024"}
    assert sum(times for _, times in score.by_year.values()) == score.screening.rank_ic.times
    assert sum(times for _, times in score.by_regime.values()) == score.screening.rank_ic.times
    assert set(score.decay) == {1, 4, 8}
    assert score.pool_correlation["itself"] == pytest.approx(1.0)
    assert score.pool_correlation["opposite"] == pytest.approx(-1.0)
    assert score.closest == pytest.approx(1.0)


def test_regimes_do_not_see_the_future() -> None:
    market = long_panel()
    np.testing.assert_array_equal(market_regimes(market)[:1_500], market_regimes(market.window(0, 1_500)))


def test_a_copy_adds_nothing_to_the_joint_model_and_a_new_source_does() -> None:
    random = np.random.default_rng(2)
    shape = (800, 8)
    first, second, noise = random.normal(size=shape), random.normal(size=shape), random.normal(size=shape)
    returns = 0.3 * first + 0.3 * second + random.normal(size=shape)
    train, test = slice(0, 400), slice(400, None)
    factors = [first, first + 1e-3 * noise, second, noise]
    early, late = (FactorEvidence.of([f[s] for f in factors], returns[s], 3) for s in (train, test))
    added = contributions(early, late)
    assert abs(added[0]) < 0.005
    assert abs(added[1]) < 0.005
    assert added[2] > 0.05
    assert abs(added[3]) < 0.02
    model = JointModel.fit(early)
    best = 0.3 * math.sqrt(2) / math.sqrt(1 + 0.18)
    assert model.ic(late) == pytest.approx(best, abs=0.04)
    assert np.abs(model.weights).sum() == pytest.approx(1.0)


def test_a_joint_model_of_one_has_the_ic_of_that_one() -> None:
    random = np.random.default_rng(3)
    x, y = random.normal(size=(300, 5)), random.normal(size=(300, 5))
    x += 0.5 * y
    evidence = FactorEvidence.of([x], y, 3)
    pooled = np.corrcoef(
        ((x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)).ravel(),
        ((y - y.mean(1, keepdims=True)) / y.std(1, keepdims=True)).ravel(),
    )[0, 1]
    assert JointModel.fit(evidence).ic(evidence) == pytest.approx(pooled)
    assert contributions(evidence)[0] == pytest.approx(pooled)


def test_novelty_is_the_part_not_shared() -> None:
    one = parse_factor("zscore(delta(close, 5), 20)")
    assert distance(one, one) == 0
    assert distance(one, parse_factor("cs_rank(ts_return(volume, 1))")) == 1
    # zscore, delta and close match; one window of three nodes differs and counts half.
    assert distance(one, parse_factor("zscore(delta(close, 5), 60)")) == pytest.approx(1 - 2.5 / 3)
    wrapped = parse_factor("cs_rank(zscore(delta(close, 5), 20))")
    assert distance(one, wrapped) == distance(wrapped, one) == pytest.approx(1 - 3 / 4)
    assert novelty(one, []) == (1.0, None)
    assert novelty(one, [wrapped, one]) == (0.0, one)


def test_settings_and_panels_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError, match="horizons"):
        ScoringSettings(horizon=0)
    with pytest.raises(ConfigError, match="min_pairs"):
        ScoringSettings(min_pairs=1)
    with pytest.raises(DataError, match="2 pairs"):
        Scorer(panel(pairs=2))
    with pytest.raises(DataError, match="longer span"):
        Scorer(panel(rows=20, pairs=4))


def test_real_candles_are_scored(test_data) -> None:
    names = ("BTC", "ETH", "BNB", "SOL", "XRP")
    folder = test_data / "candles" / "binance"
    candles = {n: pd.read_feather(folder / f"{n}_USDT-1h.feather").tail(4_000) for n in names}
    market = CandlePanel.from_candles(candles, 60)
    values = Engine(market).evaluate(parse_factor("-zscore(close, 48)"))
    score = Scorer(market, regimes=market_regimes(market)).score(values, warm_up=47)
    assert score.screening.rejected is None
    assert score.screening.coverage > 0.99
    assert abs(score.screening.rank_ic.mean) < 0.5
    assert 1 < score.half_life < 100
