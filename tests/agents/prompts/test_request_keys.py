"""Content addresses of 1,000 seeded requests: recorded answers stay valid while optional blocks are off."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from agent_market.agents.committee import Committee
from agent_market.agents.prompts.feedback import FeedbackBook, FeedbackEntry
from agent_market.agents.roles import ROLES
from agent_market.agents.tuning.versions import PromptBook, prompt_version, version_of
from agent_market.config import AgentSettings, DebateSettings, LLMSettings
from agent_market.features.features import FEATURES
from agent_market.llm.egress.identifiers import Vocabulary
from agent_market.records import (
    AgentView,
    Decision,
    Episode,
    Lesson,
    MarketView,
    Neighbour,
    Recall,
    RiskResult,
)
from agent_market.store.prompts import Promotion, StoredPrompt
from tests.helpers.scripted_agents import ScriptedAgents

REQUESTS = 1_000
GOLDEN = "3e0c7941c587314261b6b819eeabd76de529d31486f1dec049554731144097e4"
"""Written down on commit d95b57f, before prompts knew of news, plans or principles."""

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
PAIRS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT:USDT")
REGIMES = ("up-calm", "up-wild", "chop-calm", "down-wild")
GLOSSARY = {spec.name: spec.meaning for spec in FEATURES}
LLM = LLMSettings(model="m")
TEXTS = {"belief": "You follow volume.", "decision": "Small edges are small depths."}
LINES = ("It rose for two days, then fell.", "Bitcoin gave back 3% after $43,000 on 2024-02-03.")


def a_view(rng: np.random.Generator, asof: datetime) -> MarketView:
    """Numbers of few decimals: no sum or rounding differs between two processors."""
    features = {name: int(rng.integers(-900, 900)) / 1_000 for name in GLOSSARY}
    context = {"fear_greed": float(rng.integers(0, 101)), "vix": int(rng.integers(100, 600)) / 10}
    return MarketView(
        pair=PAIRS[int(rng.integers(len(PAIRS)))],
        timeframe="1h",
        asof=asof,
        features=features,
        context=context if rng.integers(2) else {},
        regime=REGIMES[int(rng.integers(len(REGIMES)))],
        state=(0.0,),
        close=int(rng.integers(100, 900_000)) / 10,
    )


def a_recall(rng: np.random.Generator, asof: datetime) -> Recall:
    before = asof - timedelta(days=9)
    cases = [
        Neighbour(
            f"case {n}",
            before,
            before,
            distance=int(rng.integers(0, 900)) / 1_000,
            market_return=int(rng.integers(-64, 64)) / 1_024,
            line=LINES[int(rng.integers(2))] if rng.integers(2) else "",
        )
        for n in range(int(rng.integers(0, 9)))
    ]
    lessons = [Lesson(f"note {n}", before, bool(rng.integers(2)), LINES[n]) for n in range(rng.integers(3))]
    return Recall(asof, tuple(cases), tuple(lessons))


def prompts(promoted_at: datetime) -> PromptBook:
    own = next(version_of(role) for role in ROLES if role.name == "aggressive") or ""
    prompt = StoredPrompt(prompt_version("aggressive", TEXTS), "aggressive", TEXTS, own)
    return PromptBook.of(ROLES, [Promotion(1, prompt, own, promoted_at, {"model": LLM.model})], LLM)


def requests() -> Iterator[str]:
    """Keys of what committees of every kind ask about seeded views, in the order of asking."""
    rng = np.random.default_rng(11)
    feedback = FeedbackBook.of(
        [FeedbackEntry(known_at=FIRST + timedelta(days=9 * n), round=n, lines=LINES) for n in range(4)], 3
    )
    asked = ScriptedAgents()
    committees = [
        Committee(
            ROLES,
            asked,
            feedback=feedback,
            glossary=GLOSSARY,
            settings=AgentSettings(steps=steps, debate=DebateSettings(mode=mode)),
            vocabulary=Vocabulary(PAIRS),
            is_masked=is_masked,
            book=prompts(FIRST + timedelta(days=20)),
        )
        for steps in ("one", "two")
        for mode in ("compact", "full")
        for is_masked in (True, False)
    ]
    before: list[Episode] = []
    for n in range(REQUESTS):
        asof = FIRST + timedelta(hours=7 * n)
        view, cases = a_view(rng, asof), a_recall(rng, asof)
        given = {
            "quant": AgentView("quant", float(rng.integers(-9, 9)), 0.5, "model", (LINES[0],)),
            "memory": AgentView("memory", float(rng.integers(-9, 9)), 0.25, "cases", (LINES[1],)),
        }
        said = committees[n % len(committees)].deliberate(view, cases, given, before)
        decision = Decision("d", view.pair, view.asof, 0.0, "hold", 0.0, {}, {})
        told = tuple(replace(v, invalidation=-0.02) for v in said.views)
        before = [Episode("s", view, cases, told, decision, RiskResult(0.0, "hold"), view.asof)]
        yield from (request.key for request in asked.asked)
        asked.asked.clear()


def test_the_keys_of_a_thousand_requests_are_those_of_before_there_were_optional_blocks() -> None:
    digest, keys = hashlib.sha256(), set()
    for _, key in zip(range(REQUESTS), requests(), strict=False):
        digest.update(key.encode())
        keys.add(key)
    assert len(keys) == REQUESTS
    assert digest.hexdigest() == GOLDEN


@pytest.mark.parametrize("headlines", [0, 8])
def test_how_many_headlines_would_be_shown_changes_no_key_where_there_are_none(headlines: int) -> None:
    view, cases = a_view(np.random.default_rng(1), FIRST), Recall(FIRST)
    asked = ScriptedAgents()
    Committee(ROLES, asked, settings=AgentSettings(headlines=headlines)).ask(view, cases, {})
    plain = ScriptedAgents()
    Committee(ROLES, plain).ask(view, cases, {})
    assert [r.key for r in asked.asked] == [r.key for r in plain.asked]
