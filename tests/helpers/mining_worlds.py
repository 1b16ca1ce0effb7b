"""Small markets for the tests of the search, with a planted signal or none, and a scripted model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import orjson
import pandas as pd

from agent_market.config import AgentMarketSettings, LLMSettings, MiningSettings
from agent_market.errors import AnswerInvalid
from agent_market.factors.mining.llm_proposer import ProposedFactors
from agent_market.factors.mining.records import Span
from agent_market.factors.panel import CandlePanel
from agent_market.llm.answers.request import Request
from agent_market.llm.answers.sources import Reply
from agent_market.llm.endpoints.completion import RequestTotals

ROWS, PAIRS, HORIZON = 1_600, 6, 4
PLANTED = "volume / ts_mean(volume, 20)"


def market(edge: float = 0.004, rows: int = ROWS, seed: int = 3) -> CandlePanel:
    """Random walks; what a pair does next is `edge` times its volume beside the others' (in deviations)."""
    random = np.random.default_rng(seed)
    shape = (PAIRS, rows)
    volume = random.lognormal(3.0, 0.8, shape)
    heavy = np.log(volume)
    heavy = (heavy - heavy.mean(axis=0)) / heavy.std(axis=0)
    moves = random.normal(0.0, 0.01, shape)
    moves[:, 1:] += edge * heavy[:, :-1]
    close = 100 * np.exp(np.cumsum(moves, axis=1))
    opened = np.concatenate([close[:, :1], close[:, :-1]], axis=1)
    spread = 1 + np.abs(random.normal(0, 0.003, shape))
    columns = {
        "open": opened,
        "high": np.maximum(opened, close) * spread,
        "low": np.minimum(opened, close) / spread,
        "close": close,
        "volume": volume,
    }
    times = pd.date_range("2024-01-01 01:00", periods=rows, freq="1h", tz="UTC", unit="ms")
    return CandlePanel(times, tuple(f"P{i}/USDT" for i in range(PAIRS)), columns, 60)


def spans(panel: CandlePanel, middle: float = 0.6, end: float = 1.0) -> tuple[Span, Span]:
    """A span to search and a later one, as shares of the rows."""
    times: Sequence[datetime] = [t.to_pydatetime() for t in panel.times]
    edge = int(len(times) * middle)
    return Span(times[0], times[edge]), Span(times[edge], times[int(len(times) * end) - 1])


def settings(**changes: object) -> AgentMarketSettings:
    """A small search; `changes` are of `mining`."""
    base = {"candidates": 32, "batch": 8, "pool": 4, "horizon": HORIZON, "longest_lookback": 300}
    return AgentMarketSettings(mining=MiningSettings.model_validate({**base, **changes}))


class ScriptedModel:
    """Answers each request with the next list of expressions (the last one again), and keeps the prompts."""

    usage = RequestTotals()

    def __init__(self, *batches: Sequence[str] | Exception) -> None:
        self.llm = LLMSettings(model="scripted")
        self._batches = list(batches)
        self.prompts: list[str] = []
        self.systems: list[str] = []

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        replies: list[Reply] = []
        for request in requests:
            self.prompts.append(request.user)
            self.systems.append(request.form.system)
            batch = self._batches.pop(0) if len(self._batches) > 1 else self._batches[0]
            if isinstance(batch, Exception):
                assert isinstance(batch, AnswerInvalid) or batch.args
                replies.append(batch)  # type: ignore[arg-type]
                continue
            factors = [{"expression": text, "rationale": "because"} for text in batch]
            replies.append(ProposedFactors.model_validate_json(orjson.dumps({"factors": factors})))
        return replies

    def block(self, number: int = -1) -> dict[str, object]:
        """The JSON block of a prompt."""
        text = self.prompts[number]
        found: dict[str, object] = orjson.loads(text.split("```json\n")[1].split("\n```")[0])
        return found

    def is_tight(self, decision: str) -> bool:
        return False

    def close(self) -> None:
        """Nothing to free."""
