"""Measure how well confidences are calibrated, recalibrate them, and say when a size may depend on them.

An agent's confidence is its probability that the sign of its depth is right: 0.7 should be right seven times
in ten.  A *forecast* is a confidence with its outcome; a depth of 0 and an abstention make none.  Scores:

    Brier (1950)                   mean((p - y)^2)                         0 best; p = 0.5 throughout: 0.25
    expected calibration error     sum_b n_b / n |hit rate_b - mean p_b|   Naeini et al. (2015), equal bins

The expected calibration error of a perfect forecaster is above 0 in any finite sample, about
0.8 * sqrt(0.25 * bins / n) where the bins are evenly filled: the bias is towards not using a confidence.

Recalibration maps a raw confidence to a hit rate: Platt (1999), a logistic curve on the log-odds, or isotonic
regression (Zadrozny & Elkan 2002).  It is fitted on outcomes that were known when the first forecast of the
evaluation window was made, and scored on that window: scores are out of sample and point in time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from agent_market.config import CalibrationSettings
from agent_market.records import Episode
from agent_market.stats.proportion import wilson
from agent_market.utils.arrays import Floats

Recalibrate = Callable[[Floats], Floats]
"""(n,) raw confidences to (n,) hit rates, both in [0, 1]."""

FUSED = "fused"

# Log-odds of 0 and 1 are infinite: clip probabilities to [this, 1 - this].
_SUREST = 1e-4


@dataclass(frozen=True, slots=True)
class Forecast:
    """A confidence stated at `made_at`, and whether the market took the side (known from `known_at` on)."""

    made_at: datetime
    known_at: datetime
    confidence: float
    hit: bool


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin of the reliability curve: count, mean confidence, hit rate and its 95% interval."""

    count: int
    confidence: float
    hit_rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The calibration of one forecaster at one moment.

    `recalibrate` was fitted on `fitted_on` outcomes; the scores come from `window` newer ones: `brier` and
    `error` after recalibration, `raw_brier` and `raw_error` before. All four are None while the window is not
    full. `usable` says whether a size may depend on the confidence.
    """

    fitted_on: int
    window: int
    brier: float | None
    error: float | None
    raw_brier: float | None
    raw_error: float | None
    usable: bool
    recalibrate: Recalibrate

    def confidence(self, raw: float) -> float:
        """The recalibrated confidence, in [0, 1]."""
        return float(self.recalibrate(np.array([raw]))[0])


def forecasts(episodes: Iterable[Episode], agent: str | None = None) -> tuple[Forecast, ...]:
    """Collect the forecasts with a known outcome, in the order of the episodes.

    :param agent: whose forecasts; None for those of the fused decision.
    :return: one per episode in which a side was taken. A return of exactly 0 is a miss for both sides.
    """
    found = []
    for episode in episodes:
        if episode.outcome is None:
            continue
        stated = _stated(episode, agent)
        if stated is None:
            continue
        depth, confidence = stated
        hit = episode.outcome.market_return * depth > 0
        found.append(Forecast(episode.view.asof, episode.outcome.known_at, confidence, hit))
    return tuple(found)


def brier_score(confidence: npt.ArrayLike, hit: npt.ArrayLike) -> float:
    """Compute the mean squared difference of confidence and outcome, in [0, 1]; 0 is best.

    :param confidence: (n,) in [0, 1].
    :param hit: (n,) 1 or True where the side was right, else 0.
    :raises ValueError: no forecasts, or a confidence outside [0, 1].
    """
    p, y = _checked(confidence, hit)
    return float(((p - y) ** 2).mean())


def reliability(confidence: npt.ArrayLike, hit: npt.ArrayLike, bins: int = 10) -> tuple[Bin, ...]:
    """Compute the reliability curve: forecasts in `bins` bins of equal width over [0, 1], without empty bins.

    A confidence on an edge belongs to the upper bin, 1 to the last. The interval is Wilson's (1927).

    :param confidence: (n,) in [0, 1].
    :param hit: (n,) 1 or True where the side was right, else 0.
    :raises ValueError: no forecasts, or a confidence outside [0, 1].
    """
    p, y = _checked(confidence, hit)
    which = np.minimum((p * bins).astype(int), bins - 1)
    curve = []
    for b in np.unique(which):
        inside = which == b
        count, hits = int(inside.sum()), int(y[inside].sum())
        low, high = wilson(hits, count)
        curve.append(Bin(count, float(p[inside].mean()), hits / count, low, high))
    return tuple(curve)


def expected_calibration_error(confidence: npt.ArrayLike, hit: npt.ArrayLike, bins: int = 10) -> float:
    """Compute the mean |hit rate - confidence| over bins, weighted by count, in [0, 1]; see `reliability`."""
    curve = reliability(confidence, hit, bins)
    total = sum(b.count for b in curve)
    return sum(b.count * abs(b.hit_rate - b.confidence) for b in curve) / total


def fit_platt(confidence: npt.ArrayLike, hit: npt.ArrayLike) -> Recalibrate:
    """Fit Platt scaling, P(hit) = 1 / (1 + exp(-(a logit(p) + b))), by maximum likelihood.

    If all outcomes are hits, or all misses, no maximum exists: the fit is the constant (hits + 1) / (n + 2).
    """
    p, y = _checked(confidence, hit)
    if y.min() == y.max():
        return _constant((float(y.sum()) + 1.0) / (len(y) + 2.0))
    # C large: plain maximum likelihood, on one feature and hundreds of rows.
    curve = LogisticRegression(C=1e6).fit(_logit(p)[:, None], y)
    slope, level = float(curve.coef_[0, 0]), float(curve.intercept_[0])
    return lambda raw: np.asarray(expit(slope * _logit(raw) + level))


def fit_isotonic(confidence: npt.ArrayLike, hit: npt.ArrayLike) -> Recalibrate:
    """Fit isotonic regression: the best non-decreasing curve, constant outside the range it was fitted on."""
    p, y = _checked(confidence, hit)
    curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(p, y)
    return lambda raw: np.asarray(curve.predict(np.asarray(raw, dtype=np.float64)), dtype=np.float64)


def as_stated(raw: Floats) -> Floats:
    """No recalibration."""
    return raw


def calibrate(known: Sequence[Forecast], asof: datetime, settings: CalibrationSettings) -> Calibration:
    """Calibrate one forecaster at `asof`, from the outcomes known by then.

    :param known: its forecasts in any order; those with `known_at` after `asof` are ignored.
    :return: scores are None, and `usable` False, until `settings.window` outcomes are known.
    """
    past = sorted(
        (f for f in known if f.known_at <= asof), key=lambda f: (f.made_at, f.known_at, f.confidence, f.hit)
    )
    window = past[-settings.window :]
    before = [f for f in past[: -settings.window] if f.known_at <= window[0].made_at]
    enough = settings.method == "none" or len(before) >= settings.least_fitted
    fit = _FITS[settings.method] if enough else None
    recalibrate = fit(*_columns(before)) if fit and before else as_stated
    if len(window) < settings.window:
        return Calibration(len(before), len(window), None, None, None, None, False, recalibrate)
    stated, hit = _columns(window)
    mended = recalibrate(stated)
    error = expected_calibration_error(mended, hit, settings.bins)
    return Calibration(
        fitted_on=len(before),
        window=len(window),
        brier=brier_score(mended, hit),
        error=error,
        raw_brier=brier_score(stated, hit),
        raw_error=expected_calibration_error(stated, hit, settings.bins),
        usable=enough and error <= settings.largest_error,
        recalibrate=recalibrate,
    )


class DecisionCalibrator:
    """The calibration of the fused decision along a sequence of settled episodes, refitted periodically.

    It depends on the sequence alone: it is refitted at each multiple of `refit_every` known outcomes, from
    exactly those, so a resumed run gives the same calibration as an uninterrupted one.
    """

    def __init__(self, settings: CalibrationSettings) -> None:
        self._settings = settings
        self._used: tuple[Episode, ...] = ()
        self._current = calibrate((), datetime.max, settings)

    def at(self, settled: tuple[Episode, ...]) -> Calibration:
        """Return the calibration after `settled` (`EpisodicMemory.settled(asof)`, in its order)."""
        every = self._settings.refit_every
        used = settled[: len(settled) // every * every]
        if used != self._used:
            self._used = used
            known = forecasts(used)
            newest = max((f.known_at for f in known), default=None)
            self._current = calibrate(known, newest or datetime.max, self._settings)
        return self._current


_FITS: dict[str, Callable[[npt.ArrayLike, npt.ArrayLike], Recalibrate] | None] = {
    "platt": fit_platt,
    "isotonic": fit_isotonic,
    "none": None,
}


def _stated(episode: Episode, agent: str | None) -> tuple[float, float] | None:
    """Depth and confidence, where a side was taken."""
    if agent is None:
        decision = episode.decision
        return (decision.depth, decision.confidence) if decision.depth else None
    view = next((v for v in episode.views if v.agent == agent), None)
    return None if view is None or view.abstains or not view.depth else (view.depth, view.confidence)


def _columns(known: Sequence[Forecast]) -> tuple[Floats, Floats]:
    return np.array([f.confidence for f in known]), np.array([float(f.hit) for f in known])


def _checked(confidence: npt.ArrayLike, hit: npt.ArrayLike) -> tuple[Floats, Floats]:
    p, y = np.asarray(confidence, dtype=np.float64), np.asarray(hit, dtype=np.float64)
    if p.ndim != 1 or p.shape != y.shape or not len(p):
        raise ValueError(f"needs one or more forecasts, got shapes {p.shape} and {y.shape}")
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise ValueError(f"confidences must lie in [0, 1], got {p.min()} to {p.max()}")
    return p, y


def _logit(p: Floats) -> Floats:
    clipped = np.clip(np.asarray(p, dtype=np.float64), _SUREST, 1.0 - _SUREST)
    return np.asarray(np.log(clipped / (1.0 - clipped)))


def _constant(rate: float) -> Recalibrate:
    return lambda raw: np.full(np.shape(raw), rate)
