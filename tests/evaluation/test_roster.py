"""The roles of the evaluation say what the sandbox says over its protocol to the prompts that go out."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import orjson
import pytest

from agent_market.agents.prompts.system_prompt import system_message
from agent_market.agents.prompts.user_prompt import NOTHING, Brief, Shown
from agent_market.agents.roles import ROLES as COMMITTEE
from agent_market.agents.roles import Role
from agent_market.evaluation.baseline_agents import AGENTS, JUDGE, ROLES, ask
from agent_market.evaluation.placebo import synthetic_candles
from agent_market.features.features import market_features
from agent_market.features.regime import REGIMES, regime
from agent_market.features.state import state_matrix
from agent_market.features.view import make_view
from agent_market.records import AgentView, MarketView, Recall
from agent_market.sandbox.model.chat import complete

TABLE = {role.name: role for role in COMMITTEE} | {"quant": Role("quant", "llm", 1, "You are a model.")}
ROWS = range(600, 1_000, 10)


@pytest.fixture(scope="module")
def features():
    candles = synthetic_candles(("A",), 1_000, 3600, seed=4)["A"]
    return market_features(candles).iloc[list(ROWS)].reset_index(drop=True)


def answered(view: MarketView, role: Role, shown: Shown) -> tuple[float, float]:
    """Depth in [-1, 1] and confidence, by way of bytes: what an endpoint is sent, and what it sends back."""
    user = Brief(view, Recall(view.asof)).user_message(role, shown)
    messages = [
        {"role": "system", "content": system_message(role)},
        {"role": "user", "content": user},
    ]
    body = complete(orjson.dumps({"model": "heuristic", "messages": messages})).body
    said = orjson.loads(orjson.loads(body)["choices"][0]["message"]["content"])
    return said["depth"] / 10.0, said["confidence"]


def test_each_role_says_in_process_what_it_says_over_the_protocol(features) -> None:
    labels = [regime(row) for row in features.to_dict("records")]
    times = np.arange(len(features), dtype=np.int64)
    said = ask(features, np.array([REGIMES.index(label) for label in labels]), times, seed=0)
    state = state_matrix(features)
    assert len(set(labels)) > 2
    for row, numbers in enumerate(features.to_dict("records")):
        view = make_view("A/USDT", "1h", datetime(2024, 1, 1, tzinfo=UTC), numbers, {}, state[row])
        heard = {role: answered(view, TABLE[role], NOTHING) for role in ROLES}
        views = tuple(AgentView(role, 10.0 * depth, sure) for role, (depth, sure) in heard.items())
        heard[JUDGE] = answered(view, TABLE[JUDGE], Shown(views=views))
        for role, (depth, sure) in heard.items():
            seat = AGENTS.index(role)
            # Answers have two decimals; of the others' views, that the judge reads, two.
            near = 5e-3 if role == JUDGE else 1e-3
            assert said.depth[row, seat] == pytest.approx(depth, abs=near), (row, role)
            assert said.confidence[row, seat] == pytest.approx(sure, abs=1e-2), (row, role)


def test_agents_are_not_copies_of_each_other(features) -> None:
    said = ask(features, np.zeros(len(features), dtype=np.int64), np.arange(len(features)), seed=0)
    depth = np.nan_to_num(said.depth)
    assert all(np.abs(depth[:, a] - depth[:, b]).max() > 0.1 for a, b in pairwise(range(len(AGENTS))))
    assert np.isnan(said.depth[:, AGENTS.index("breakout")]).any()


def test_a_missing_feature_puts_everyone_to_sleep_and_chance_does_not_look_around(features) -> None:
    times = np.arange(len(features))
    regimes = np.zeros(len(features), dtype=np.int64)
    whole = ask(features, regimes, times, seed=5)
    holed = features.copy()
    holed.loc[7, "trend"] = np.nan
    said = ask(holed, regimes, times, seed=5)
    assert np.isnan(said.depth[7]).all()
    assert (said.confidence[7] == 0.0).all()
    others = times != 7
    assert np.array_equal(said.depth[others], whole.depth[others], equal_nan=True)
