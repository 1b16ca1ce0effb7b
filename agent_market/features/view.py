"""From a row of numbers to the record that every later stage reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from agent_market.errors import DataError
from agent_market.features.regime import regime
from agent_market.records import Headline, MarketView


def make_view(
    pair: str,
    timeframe: str,
    asof: datetime,
    features: Mapping[str, float],
    context: Mapping[str, float],
    state: npt.NDArray[np.floating],
    close: float | None = None,
    headlines: tuple[Headline, ...] = (),
) -> MarketView:
    """What is known about `pair` at `asof`; entries that are NaN or infinite are left out.

    :param asof: close of the candle decided on, timezone-aware.
    :param state: the row's state vector (STATE_DIM,), finite: a moment that memory cannot compare with
        others is unfit for a decision, so callers leave such rows out (see `state_matrix`).
    :param close: price of the candle's close; NaN, infinite and 0 count as not known.
    :param headlines: news, newest first; those known only after `asof` are left out.
    :raises DataError: `asof` has no timezone, or `state` is not finite.
    """
    if asof.tzinfo is None:
        raise DataError(f"asof {asof.isoformat()} of {pair} has no timezone; pass an aware UTC datetime")
    if not np.isfinite(state).all():
        absent = sorted(name for name, value in features.items() if not math.isfinite(value))
        raise DataError(
            f"{pair} at {asof.isoformat()} has no state: {', '.join(absent) or 'a feature'} is unknown; "
            "decide only on rows whose features are all known (after WARM_UP candles)"
        )
    known = _finite(features)
    return MarketView(
        pair=pair,
        timeframe=timeframe,
        asof=asof.astimezone(UTC),
        features=known,
        context=_finite(context),
        regime=regime(known),
        state=tuple(map(float, state)),
        close=float(close) if close and math.isfinite(close) else None,
        headlines=tuple(line for line in headlines if line.known_at <= asof),
    )


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}
