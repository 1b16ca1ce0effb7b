"""Calibration against answers worked out by hand, and the rule that nothing is known before it was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.config import CalibrationSettings
from agent_market.decision.calibration import (
    DecisionCalibrator,
    Forecast,
    brier_score,
    calibrate,
    expected_calibration_error,
    fit_isotonic,
    fit_platt,
    forecasts,
    reliability,
)
from agent_market.records import AgentView, Episode
from agent_market.stats.proportion import wilson
from tests.helpers.episode_makers import START, an_episode, an_outcome, at

SETTINGS = CalibrationSettings(window=20, least_fitted=20, refit_every=5)


def made(count: int, rng: np.random.Generator, confidence: float = 0.7, right: float = 0.7) -> list[Forecast]:
    return [
        Forecast(at(12 * i), at(12 * i + 12), confidence, bool(rng.random() < right)) for i in range(count)
    ]


def test_brier_score_by_hand() -> None:
    # The squares of 0.2, 0.4 and 0.5 sum to 0.45.
    assert brier_score([0.8, 0.6, 0.5], [1, 1, 0]) == pytest.approx(0.45 / 3)
    assert brier_score([1.0, 0.0], [1, 0]) == 0.0
    assert brier_score([0.5, 0.5], [1, 0]) == 0.25


def test_calibration_error_by_hand() -> None:
    # Bin [0.6, 0.7): three at 0.65, two right, |2/3 - 0.65| = 1/60. Bin [0.9, 1]: one at 0.9, wrong, 0.9.
    confidence, hit = [0.65, 0.65, 0.65, 0.9], [1, 1, 0, 0]
    assert expected_calibration_error(confidence, hit) == pytest.approx((3 / 60 + 0.9) / 4)
    curve = reliability(confidence, hit)
    assert [(b.count, b.confidence, b.hit_rate) for b in curve] == [
        (3, pytest.approx(0.65), pytest.approx(2 / 3)),
        (1, 0.9, 0.0),
    ]


def test_a_confidence_on_an_edge_belongs_to_the_upper_bin_and_one_to_the_last() -> None:
    assert [b.count for b in reliability([0.5, 0.49, 1.0], [1, 1, 1], bins=2)] == [1, 2]


def test_the_interval_of_a_share_is_wilsons() -> None:
    # Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662; 0 of 20 gives 0 to 0.1611.
    assert wilson(81, 263) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))
    assert wilson(0, 20) == (0.0, pytest.approx(0.1611, abs=5e-5))


def test_platt_finds_the_line_that_made_the_outcomes() -> None:
    rng = np.random.default_rng(0)
    stated = rng.uniform(0.5, 0.95, 60_000)
    # Overconfident: the log-odds are half of what is stated, less 0.2.
    true = 1 / (1 + np.exp(-(0.5 * np.log(stated / (1 - stated)) - 0.2)))
    curve = fit_platt(stated, rng.random(60_000) < true)
    probe = np.array([0.55, 0.7, 0.9])
    wanted = 1 / (1 + np.exp(-(0.5 * np.log(probe / (1 - probe)) - 0.2)))
    np.testing.assert_allclose(curve(probe), wanted, atol=0.012)


def test_isotonic_by_hand_pools_what_falls() -> None:
    # Hit rates by confidence: 0, then 1 and 0 (pooled to one half), then 1.
    curve = fit_isotonic([0.1, 0.4, 0.6, 0.9], [0, 1, 0, 1])
    np.testing.assert_allclose(
        curve(np.array([0.0, 0.1, 0.4, 0.5, 0.6, 0.9, 1.0])), [0, 0, 0.5, 0.5, 0.5, 1, 1]
    )


def test_outcomes_of_one_kind_give_no_certainty() -> None:
    # Three of three: (3 + 1) / (3 + 2).
    assert fit_platt([0.6, 0.7, 0.8], [1, 1, 1])(np.array([0.2, 0.9])).tolist() == [0.8, 0.8]


def test_an_overconfident_agent_is_unusable_as_stated_and_usable_once_recalibrated() -> None:
    known = made(800, np.random.default_rng(1), confidence=0.9, right=0.6)
    later = at(12 * 801)
    sized = CalibrationSettings(window=400, least_fitted=100, method="none")
    stated = calibrate(known, later, sized)
    assert stated.raw_error is not None
    assert stated.raw_error > 0.2
    assert not stated.usable
    mended = calibrate(known, later, sized.model_copy(update={"method": "platt"}))
    assert mended.error is not None
    assert mended.brier is not None
    assert mended.raw_brier is not None
    assert mended.usable
    assert mended.error <= 0.05
    assert mended.brier < mended.raw_brier
    assert mended.confidence(0.9) == pytest.approx(0.6, abs=0.06)


def test_an_agent_that_changes_its_habits_is_unusable_until_the_window_has_seen_it() -> None:
    rng = np.random.default_rng(2)
    known = made(300, rng, confidence=0.8, right=0.8)
    known += [
        Forecast(f.made_at + timedelta(hours=3600), f.known_at + timedelta(hours=3600), 0.8, f.hit)
        for f in made(60, rng, right=0.4)
    ]
    seen = calibrate(known, at(10_000), CalibrationSettings(window=60, least_fitted=50))
    assert not seen.usable
    assert seen.error is not None
    assert seen.error > 0.2


@pytest.mark.parametrize(("count", "why"), [(19, "the window is not full"), (39, "too few to fit on")])
def test_too_few_outcomes_are_not_used(count: int, why: str) -> None:
    seen = calibrate(made(count, np.random.default_rng(3), 0.5, 0.5), at(10_000), SETTINGS)
    assert not seen.usable, why
    assert (seen.error is None) is (count < SETTINGS.window)


def test_what_the_map_was_fitted_on_is_never_what_it_is_judged_on() -> None:
    # Outcomes of the fitted part become known only after the window began: they may not be fitted on.
    known = [Forecast(at(i), at(1_000), 0.7, True) for i in range(50)]
    known += [Forecast(at(500 + i), at(1_001 + i), 0.7, True) for i in range(20)]
    assert calibrate(known, at(5_000), SETTINGS).fitted_on == 0


def test_a_forecast_needs_a_side_and_an_outcome() -> None:
    episodes = [
        an_episode(0, depths={"a": 2.0, "b": 0.0}, outcome=an_outcome(12, 0.01)),
        an_episode(12, depths={"a": -2.0, "b": 1.0}, outcome=an_outcome(24, 0.01)),
        an_episode(24, depths={"a": 2.0, "b": 1.0}, outcome=an_outcome(36, 0.0)),
        an_episode(36, depths={"a": 2.0, "b": 1.0}),
    ]
    assert [f.hit for f in forecasts(episodes, "a")] == [True, False, False]
    assert [f.made_at for f in forecasts(episodes, "b")] == [at(12), at(24)]
    assert [f.hit for f in forecasts(episodes)] == [True, False, False]
    assert forecasts(episodes, "unheard of") == ()
    silent = an_episode(0, outcome=an_outcome(12))
    silent = Episode(
        **{
            **{f: getattr(silent, f) for f in silent.__dataclass_fields__},
            "views": (AgentView.abstain("a", "down"),),
        }
    )
    assert forecasts([silent], "a") == ()


@settings(max_examples=20, deadline=None)
@given(
    confidence=st.lists(st.floats(0, 1), min_size=1, max_size=200),
    seed=st.integers(0, 1_000),
    bins=st.integers(2, 20),
)
def test_scores_stay_in_range_and_bins_lose_nothing(confidence: list[float], seed: int, bins: int) -> None:
    hit = np.random.default_rng(seed).random(len(confidence)) < 0.5
    assert 0.0 <= brier_score(confidence, hit) <= 1.0
    assert 0.0 <= expected_calibration_error(confidence, hit, bins) <= 1.0
    curve = reliability(confidence, hit, bins)
    assert sum(b.count for b in curve) == len(confidence)
    assert all(b.low <= b.hit_rate + 1e-9 and b.hit_rate <= b.high + 1e-9 for b in curve)
    for fit in (fit_platt, fit_isotonic):
        mended = fit(confidence, hit)(np.linspace(0, 1, 11))
        assert ((mended >= 0) & (mended <= 1)).all()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    count=st.integers(0, 120),
    asof=st.integers(0, 120 * 6),
    method=st.sampled_from(["platt", "isotonic", "none"]),
)
def test_outcomes_known_later_change_nothing(seed: int, count: int, asof: int, method: str) -> None:
    rng = np.random.default_rng(seed)
    known = [
        Forecast(
            at(6 * i), at(6 * i + int(rng.integers(1, 60))), float(rng.uniform(0.3, 0.9)), rng.random() < 0.5
        )
        for i in range(count)
    ]
    now = START + timedelta(hours=asof)
    chosen = SETTINGS.model_copy(update={"method": method})
    whole = calibrate(known, now, chosen)
    rewritten = [
        f if f.known_at <= now else Forecast(f.made_at, f.known_at, f.confidence, not f.hit) for f in known
    ]
    short = [f for f in known if f.known_at <= now]
    for other in (calibrate(rewritten, now, chosen), calibrate(short, now, chosen)):
        assert (other.fitted_on, other.window, other.error, other.usable) == (
            whole.fitted_on,
            whole.window,
            whole.error,
            whole.usable,
        )
        assert other.confidence(0.6) == whole.confidence(0.6)


def episodes_with_outcomes(count: int, seed: int) -> tuple[Episode, ...]:
    rng = np.random.default_rng(seed)
    return tuple(
        an_episode(
            12 * i, depths={"a": float(rng.normal())}, outcome=an_outcome(12 * i + 12, rng.normal() / 100)
        )
        for i in range(count)
    )


def numbers(calibrator: DecisionCalibrator, settled: Sequence[Episode]) -> tuple[object, ...]:
    seen = calibrator.at(tuple(settled))
    return seen.fitted_on, seen.window, seen.error, seen.usable, seen.confidence(0.5)


def test_the_decision_calibrator_is_a_function_of_what_is_settled_however_it_got_there() -> None:
    settled = episodes_with_outcomes(90, 5)
    walked = DecisionCalibrator(SETTINGS)
    for n in range(0, 91):
        fresh = numbers(DecisionCalibrator(SETTINGS), settled[:n])
        assert numbers(walked, settled[:n]) == fresh
        # Between two fittings nothing moves.
        assert fresh == numbers(DecisionCalibrator(SETTINGS), settled[: n // 5 * 5])
    assert numbers(walked, settled[:40]) == numbers(DecisionCalibrator(SETTINGS), settled[:40])
    assert numbers(walked, settled)[:2] == (70, 20)
