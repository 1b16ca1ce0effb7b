"""What came of a decision: the market's return over the horizon, and the reward of each view."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
from freqtrade.exchange import timeframe_to_seconds

from agent_market.config import DecisionSettings
from agent_market.records import Episode, MarketView, Outcome

Array = npt.NDArray[np.float64]


def measure(
    times: npt.NDArray[np.int64],
    open: Array,
    high: Array,
    low: Array,
    close: Array,
    asof_s: int,
    horizon: int,
    timeframe_s: int,
    cost: float,
) -> Outcome | None:
    """The outcome of a decision at `asof_s`, or None while it cannot be known from these candles.

    It is known once a candle has closed at or after due = asof + horizon * timeframe: only then is it
    certain that no candle of the horizon is still to come. Without gaps that is the last candle of
    the horizon. A position enters at the first candle that opens inside [asof, due) and leaves at
    the close of the last one in it, so a gap shortens the holding time and nothing is filled in. If
    the gap swallows the whole horizon, the first candle after it stands for the horizon: an order
    of that decision could have been filled there at the earliest. Candles that begin after `asof_s` do
    not show whether there was a gap: they say nothing.

    :param times: (T,) OPEN times of the candles, seconds since the epoch, ascending.
    :param open: (T,) prices, as high, low and close; a candle with one not finite or not positive is
        taken as a missing one.
    :param horizon: candles from `asof_s` to due.
    :param cost: round-trip cost of a position of full depth, as a fraction.
    """
    if not len(times) or times[0] > asof_s:
        return None
    due = asof_s + horizon * timeframe_s
    first, last, stop = np.searchsorted(times, (asof_s, due - timeframe_s, due), side="left").tolist()
    inside = first + np.flatnonzero(_sound(open, high, low, close, slice(first, stop)))
    if len(inside) > 0 and inside[-1] >= last:
        proof = int(inside[-1])
    else:
        after = np.flatnonzero(_sound(open, high, low, close, slice(stop, None)))
        if len(after) == 0:
            return None
        proof = stop + int(after[0])
    if len(inside) == 0:
        inside = np.array([proof])
    entry = float(open[inside[0]])
    return Outcome(
        market_return=float(close[inside[-1]]) / entry - 1.0,
        best=float(high[inside].max()) / entry - 1.0,
        worst=float(low[inside].min()) / entry - 1.0,
        cost=cost,
        known_at=datetime.fromtimestamp(int(times[proof]) + timeframe_s, UTC),
    )


def outcome_of(
    episode: Episode,
    times: npt.NDArray[np.int64],
    open: Array,
    high: Array,
    low: Array,
    close: Array,
    timeframe_s: int,
    cost: float,
) -> Outcome | None:
    """The outcome of an episode over the horizon that it was decided for; see `measure`."""
    asof_s = int(episode.view.asof.timestamp())
    horizon = round((episode.due - episode.view.asof).total_seconds() / timeframe_s)
    return measure(times, open, high, low, close, asof_s, horizon, timeframe_s, cost)


def _sound(open: Array, high: Array, low: Array, close: Array, rows: slice) -> npt.NDArray[np.bool_]:
    o, h, lo, c = open[rows], high[rows], low[rows], close[rows]
    return np.isfinite(o + h + lo + c) & (o > 0) & (h > 0) & (lo > 0) & (c > 0)


def expected_std(view: MarketView, horizon: int) -> float | None:
    """Standard deviation expected of the return over `horizon` candles: volatility_24 * sqrt(horizon).

    None where the view has no `volatility_24`.
    """
    volatility = view.features.get("volatility_24")
    return None if volatility is None else volatility * math.sqrt(horizon)


def scaled_reward(
    outcome: Outcome, view_depth: float, expected_std: float, settings: DecisionSettings, held: float = 0.0
) -> float:
    """Reward of a view after costs, in units of what the market was expected to move, in [-1, 1].

    reward / (settings.reward_scale * expected_std), clipped. An expected deviation of 0 gives the
    limit: -1, 0 or 1 by the sign of the reward.

    :param view_depth: depth of the view in [-10, 10].
    :param held: depth that the same agent held until then: only the change is charged.
    :param expected_std: expected standard deviation of the market return over the horizon, >= 0.
    :raises ValueError: expected_std is negative or not a number.
    """
    if not expected_std >= 0.0:
        raise ValueError(f"expected_std must be a number >= 0, got {expected_std}")
    reward = outcome.reward(view_depth, held)
    scale = settings.reward_scale * expected_std
    if scale == 0.0:
        return math.copysign(1.0, reward) if reward else 0.0
    return max(-1.0, min(1.0, reward / scale))


def previous_decisions(
    episodes: Iterable[Episode], settings: DecisionSettings
) -> Mapping[tuple[str, datetime], Episode]:
    """By pair and moment of a decision: the one before it on the same pair, where that still held then.

    :param episodes: of any pairs, in any order; of one run.
    """
    newest: dict[str, Episode] = {}
    before: dict[tuple[str, datetime], Episode] = {}
    for episode in sorted(episodes, key=lambda e: e.view.asof):
        last = newest.get(episode.view.pair)
        if last is not None and still_holds(last, episode.view.asof, settings):
            before[episode.view.pair, episode.view.asof] = last
        newest[episode.view.pair] = episode
    return before


def still_holds(episode: Episode, asof: datetime, settings: DecisionSettings) -> bool:
    """Whether a decision's views still count at `asof` (`decision.max_age_candles`)."""
    candle = timedelta(seconds=timeframe_to_seconds(episode.view.timeframe))
    return timedelta(0) < asof - episode.view.asof <= settings.max_age_candles * candle


def held_depth(agent: str, previous: Episode | None) -> float:
    """The depth an agent alone would hold from the decision before: 0 without one, or where it abstained."""
    if previous is None:
        return 0.0
    return next((v.depth for v in previous.views if v.agent == agent and not v.abstains), 0.0)


def rewards_of(
    episode: Episode, settings: DecisionSettings, previous: Episode | None = None
) -> dict[str, float]:
    """Scaled reward of each agent that did not abstain; empty without outcome or expected deviation.

    :param previous: the decision before on the same pair that still held (`previous_decisions`): an agent
        that holds on to its view pays nothing for it.
    """
    deviation = expected_std(episode.view, settings.horizon_candles)
    if episode.outcome is None or deviation is None:
        return {}
    return {
        view.agent: scaled_reward(
            episode.outcome, view.depth, deviation, settings, held_depth(view.agent, previous)
        )
        for view in episode.views
        if not view.abstains
    }
