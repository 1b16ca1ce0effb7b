"""From a row of numbers to the record that every later stage reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from agent_market.errors import DataError
from agent_market.perception.regime import regime
from agent_market.records import MarketView


def make_view(
    pair: str,
    timeframe: str,
    asof: datetime,
    features: Mapping[str, float],
    context: Mapping[str, float],
    state: npt.NDArray[np.floating],
) -> MarketView:
    """What is known about `pair` at `asof`; entries that are NaN or infinite are left out.

    :param asof: close of the candle decided on, timezone-aware.
    :param state: the row's state vector (STATE_DIM,). One with a NaN gives an empty state: the moment
        can be judged, but not compared with others.
    :raises DataError: `asof` has no timezone.
    """
    if asof.tzinfo is None:
        raise DataError(f"asof {asof.isoformat()} of {pair} has no timezone; pass an aware UTC datetime")
    known = _finite(features)
    return MarketView(
        pair=pair,
        timeframe=timeframe,
        asof=asof.astimezone(UTC),
        features=known,
        context=_finite(context),
        regime=regime(known),
        state=tuple(map(float, state)) if np.isfinite(state).all() else (),
    )


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if math.isfinite(value)}
