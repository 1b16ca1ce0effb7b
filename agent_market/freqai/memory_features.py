"""Memory as FreqAI features (setting `memory.features`): the strategy's part and the model's part."""

from __future__ import annotations

import pandas as pd
from datasieve.pipeline import Pipeline

from agent_market.config import AgentMarketSettings
from agent_market.memory.neighbour_features import CANDLE, NeighbourFeatures

STEP = "memory"
_ORIGIN_S = int(pd.Timestamp("2015-01-01", tz="UTC").timestamp())


def add_candle_number(dataframe: pd.DataFrame, timeframe_s: int) -> pd.DataFrame:
    """The frame with the candle's number, which the pipeline's memory turns into its features.

    Counted from 2015, so that also one-minute candles survive being stored as float32.
    """
    opens_s = pd.DatetimeIndex(dataframe["date"]).tz_convert("UTC").as_unit("s").asi8
    return dataframe.assign(**{CANDLE: ((opens_s - _ORIGIN_S) // timeframe_s).astype(float)})


def with_memory(pipeline: Pipeline, settings: AgentMarketSettings) -> Pipeline:
    """A pipeline that begins with the memory of its training rows, if the setting says so."""
    if not settings.memory.features:
        return pipeline
    memory = NeighbourFeatures(settings.decision.horizon_candles, settings.memory.feature_neighbours)
    return Pipeline([(STEP, memory), *pipeline.steps])
