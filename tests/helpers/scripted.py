"""Agents that answer from the prompt by a fixed rule, and random candles: a whole session without a model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from agent_market.agents.committee import Committee
from agent_market.agents.roles import role_table
from agent_market.config import AgentMarketSettings, LLMSettings
from agent_market.decision.experts.virtual_experts import seats
from agent_market.errors import ModelUnavailable
from agent_market.features.features import market_features
from agent_market.llm.answers.request import Request
from agent_market.llm.answers.schemas import Answer, Judgement, Objections, Proposal, Rebuttal, Said
from agent_market.llm.answers.sources import Reply
from agent_market.llm.endpoints.client import RequestTotals
from agent_market.pipeline.columns import ColumnSchema
from agent_market.pipeline.session import Candles, PairSession, Rows, SessionBooks, close_times
from agent_market.records import Evidence
from agent_market.store.database import Database

HOUR = 3600
PAIR = "BTC/USDT"


class ScriptedAnswers:
    """Every reply is a pure function of the prompt, so any change of what is seen shows in the depth."""

    llm = LLMSettings()
    usage = RequestTotals()

    def __init__(self, failing: str | None = None) -> None:
        self.asked = 0
        self._failing = failing

    def is_tight(self, decision: str) -> bool:
        return False

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        self.asked += len(requests)
        return [self._reply(request) for request in requests]

    def close(self) -> None:
        pass

    def _reply(self, request: Request) -> Reply:
        if request.role == self._failing:
            return ModelUnavailable("the endpoint is down")
        digest = hashlib.sha256(f"{request.role}{request.user}".encode()).digest()
        depth, share, belief = digest[0] / 12.75 - 10.0, digest[1] / 255.0, f"scripted {digest[2]}"
        said: dict[type, Said] = {
            Answer: Answer(depth=depth, confidence=share, belief=belief, invalidation=-depth / 100.0),
            Proposal: Proposal(depth=depth, confidence=share, belief=belief, expected_return=depth / 1_000),
            Objections: Objections(objections=(belief,) * 5, depth=depth, confidence=share),
            Rebuttal: Rebuttal(rebuttal=belief, depth=depth, confidence=share),
            Judgement: Judgement(ruling="adjust", confidence=digest[1] % 101, depth=depth),
        }
        return said[request.form.answer.type]


def random_candles(seed: int, hours: int) -> pd.DataFrame:
    """A random walk of hourly candles from 2024-01-01, with consistent highs and lows."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, hours)))
    opened = np.concatenate([[100.0], close[:-1]])
    spread = np.abs(rng.normal(0.0, 0.004, hours))
    return pd.DataFrame(
        {
            "date": pd.date_range("2024-01-01", periods=hours, freq="h", tz="UTC"),
            "open": opened,
            "high": np.maximum(opened, close) * (1.0 + spread),
            "low": np.minimum(opened, close) * (1.0 - spread),
            "close": close,
            "volume": rng.uniform(1.0, 2.0, hours),
        }
    )


def rows_of(candles: pd.DataFrame) -> Rows:
    """Rows as the model makes them, with a prediction that is a pure function of the candle."""
    close = candles["close"].to_numpy()
    prediction = np.sin(close)
    return Rows(
        closes_s=close_times(candles["date"], HOUR),
        close=close,
        features=market_features(candles),
        context=pd.DataFrame(index=candles.index),
        predictions=prediction,
        depths=10.0 * prediction,
        usable=np.ones(len(candles), dtype=bool),
        test=Evidence(200, 0.55, 0.48, 0.62, 1.1),
    )


def part(rows: Rows, start: int, stop: int) -> Rows:
    """Rows [start, stop) of a frame, as one window of a backtest hands them over."""
    return Rows(
        closes_s=rows.closes_s[start:stop],
        close=rows.close[start:stop],
        features=rows.features.iloc[start:stop],
        context=rows.context.iloc[start:stop],
        predictions=rows.predictions[start:stop],
        depths=rows.depths[start:stop],
        usable=rows.usable[start:stop],
        test=rows.test,
    )


def make_session(
    database: Database,
    settings: AgentMarketSettings,
    scope: str = "test",
    answers: ScriptedAnswers | None = None,
    books: Callable[[], SessionBooks] | None = None,
) -> PairSession:
    """A session of the built-in roles over scripted answers."""
    roles = role_table(settings.agents)
    committee = Committee(roles, answers or ScriptedAnswers(), settings=settings.agents)
    schema = ColumnSchema(seats([r.name for r in roles], settings.decision), settings.memory.k_max)
    return PairSession(PAIR, "1h", HOUR, scope, settings, database, committee, schema, books)


def candle_arrays(candles: pd.DataFrame) -> Candles:
    """The candles as the session reads them."""
    return Candles.of(candles, HOUR)
