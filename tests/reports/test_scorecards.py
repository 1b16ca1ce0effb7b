from __future__ import annotations

from datetime import timedelta

import pytest

from agent_market.config import DecisionSettings
from agent_market.reports.scorecards import (
    ALWAYS_LONG,
    EQUAL,
    FUSED,
    regime_records,
    reward_paths,
    scorecards,
)
from tests.helpers.backtest_results import START
from tests.helpers.sample_episodes import make_episode

SETTINGS = DecisionSettings(reward_scale=1.0)
# volatility_24 of 0.006 over 12 candles
DEVIATION = 0.006 * 12**0.5


def test_a_scorecard_by_hand():
    episodes = (
        make_episode(market_return=0.01, depths=(5.0, -5.0, 0.0, None, 10.0)),
        make_episode(START + timedelta(days=1), market_return=-0.01, depths=(5.0, -5.0, 0.0, None, None)),
        make_episode(START + timedelta(days=2), market_return=None, depths=(5.0, 1.0, 1.0, None, 1.0)),
    )
    cards = {card.agent: card for card in scorecards(episodes, SETTINGS)}
    first = cards["aggressive"]
    won, lost = 0.01 * 0.5 - 0.0012 * 0.5, -0.01 * 0.5  # held on: only the first is traded
    assert first.mean_reward == pytest.approx((won + lost) / 2 / DEVIATION)
    assert first.hit_rate == 0.5
    assert (first.views, first.abstentions) == (3, 0)
    assert cards["quant"].hit_rate is None
    assert cards["memory"].views == 0
    assert cards["memory"].mean_reward is None
    assert cards["memory"].commonest_cause == "fewer than 4 similar cases with a known outcome"
    assert cards["judge"].abstentions == 1
    assert cards["judge"].last_weight == pytest.approx(0.25)
    assert cards["judge"].mean_weight == pytest.approx((0.25 + 0 + 0.25) / 3)


def test_rewards_add_up_in_the_order_in_which_they_became_known():
    episodes = (
        make_episode(asof=START + timedelta(days=1), market_return=-0.01),
        make_episode(market_return=0.01),
    )
    paths = {path.name: path for path in reward_paths(episodes, SETTINGS)}
    long = paths[ALWAYS_LONG]
    assert long.known_at_s.tolist() == sorted(long.known_at_s.tolist())
    assert long.total.tolist() == pytest.approx([0.0088 / DEVIATION, (0.0088 - 0.01) / DEVIATION])
    # views 4, 1, 3, 2 with equal weights: the fused depth is their mean
    assert paths[FUSED].total.tolist() == pytest.approx(paths[EQUAL].total.tolist())
    assert paths["memory"].total.tolist() == []


def test_regimes_are_listed_by_how_often_they_were_met():
    episodes = (
        make_episode(regime="down-wild", market_return=-0.02),
        make_episode(asof=START + timedelta(days=1), market_return=0.01),
        make_episode(asof=START + timedelta(days=2), market_return=0.03),
        make_episode(asof=START + timedelta(days=3), market_return=None),
    )
    calm, wild = regime_records(episodes, SETTINGS)
    assert (calm.regime, calm.outcomes, wild.regime, wild.outcomes) == ("up-calm", 2, "down-wild", 1)
    assert calm.mean_market_return == pytest.approx(0.02)
    assert calm.mean_depth == pytest.approx(2.5)


def test_nothing_is_known_of_no_episodes():
    assert scorecards((), SETTINGS) == ()
    assert regime_records((), SETTINGS) == ()
    assert all(len(path.total) == 0 for path in reward_paths((), SETTINGS))
