"""Headlines in a whole session: from when they are known, masked, for the agents that may see news."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_market.config import (
    AgentMarketSettings,
    AgentSettings,
    DecisionSettings,
    MemorySettings,
    RoleOverride,
    TextSettings,
)
from agent_market.llm.answers.request import Request
from agent_market.llm.answers.sources import Reply
from agent_market.memory.lessons import LessonBook
from agent_market.perception.news import NewsBook, NewsItem
from agent_market.records import Episode
from agent_market.store.database import Database
from agent_market.store.episodes import episodes_of
from tests.helpers.scripted import (
    PAIR,
    ScriptedAnswers,
    candle_arrays,
    make_session,
    part,
    random_candles,
    rows_of,
)

HOURS, FIRST = 520, 450
ORIGIN = datetime(2024, 1, 1, tzinfo=UTC)
KNOWN = ORIGIN + timedelta(hours=480, minutes=30)
SETTINGS = AgentMarketSettings(
    agents=AgentSettings(roles=(RoleOverride(name="conservative", sees=("trend", "memory")),)),
    decision=DecisionSettings(cadence_candles=6, horizon_candles=4, gate_min_candles=2),
    memory=MemorySettings(k=4, k_max=6, min_neighbours=3),
)
CANDLES = random_candles(3, HOURS)


class Listening(ScriptedAnswers):
    """Keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []

    def ask(self, requests: Sequence[Request]) -> list[Reply]:
        self.requests += requests
        return super().ask(requests)

    def blocks(self) -> list[dict[str, Any]]:
        return [json.loads(r.user.split("```json\n")[1].split("\n```")[0]) for r in self.requests]


@dataclass
class Books:
    """A shelf with what a session reads."""

    news: NewsBook
    lessons: LessonBook

    def __call__(self) -> Books:
        return self


def news(*items: tuple[datetime, str, tuple[str, ...]]) -> NewsBook:
    made = [NewsItem(known_at=at, title=title, assets=assets) for at, title, assets in items]
    return NewsBook.of(made, timedelta(hours=20), 8)


def walk(folder: Path, held: NewsBook | None) -> tuple[tuple[Episode, ...], Listening]:
    database = Database(f"sqlite:///{folder}/{'news' if held else 'none'}.sqlite")
    answers = Listening()
    books = None if held is None else Books(held, LessonBook(None, "test", TextSettings()))
    session = make_session(database, SETTINGS, answers=answers, books=books)
    session.rewind(ORIGIN + timedelta(hours=FIRST))
    session.advance(part(rows_of(CANDLES), FIRST, HOURS), candle_arrays(CANDLES))
    episodes = episodes_of(database, "test")
    database.close()
    return episodes, answers


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    folder = tmp_path_factory.mktemp("news")
    held = news(
        (KNOWN, "Bitcoin tops $43,000, Binance says", ("BTC",)),
        (KNOWN, "Another coin falls", ("XRP",)),
        (ORIGIN + timedelta(hours=HOURS + 9), "After the last decision", ()),
    )
    return walk(folder, held), walk(folder, None)


def test_a_decision_sees_a_headline_of_its_pair_from_when_it_is_known_until_it_is_old(runs: Any) -> None:
    (episodes, _), _ = runs
    assert PAIR == "BTC/USDT"
    seen = {e.view.asof: [h.text for h in e.view.headlines] for e in episodes}
    for asof, lines in seen.items():
        is_known = KNOWN <= asof <= KNOWN + timedelta(hours=20)
        assert lines == (["Bitcoin tops $43,000, Binance says"] if is_known else [])
    assert 0 < sum(map(bool, seen.values())) < len(seen)


def test_only_agents_that_may_see_news_get_it_and_masked(runs: Any) -> None:
    (_, answers), _ = runs
    told = [block for block in answers.blocks() if "headlines" in block]
    assert {block["role"] for block in told} == {"aggressive", "judge"}
    texts = {line["text"] for block in told for line in block["headlines"]}
    assert texts
    assert all("Bitcoin" not in text and "Binance" not in text and "43,000" not in text for text in texts)
    assert all(request.leak() is None for request in answers.requests)


def test_decisions_before_the_news_are_those_without_it_and_later_ones_are_others(runs: Any) -> None:
    (with_news, answers), (without, plain) = runs
    before = [e for e in with_news if e.view.asof < KNOWN]
    assert before
    assert before == [e for e in without if e.view.asof < KNOWN]
    count = sum(1 for block in plain.blocks() if "headlines" in block)
    assert count == 0
    first = next(n for n, block in enumerate(answers.blocks()) if "headlines" in block)
    assert [r.key for r in answers.requests[:first]] == [r.key for r in plain.requests[:first]]
    later = [(a, b) for a, b in zip(with_news, without, strict=False) if a.view.headlines]
    assert later
    assert all(a.views[0].depth != b.views[0].depth for a, b in later)
