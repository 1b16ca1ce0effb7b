from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_market.config import MemorySettings
from agent_market.memory.episodic import EpisodicMemory
from agent_market.memory.retriever import AspectWeights, Retriever
from agent_market.store.database import Database
from agent_market.store.episodes import write_episodes
from tests.helpers.episode_makers import a_view, an_episode, an_outcome, at


@pytest.fixture
def memories(tmp_path: Path) -> Iterator[list[EpisodicMemory]]:
    database = Database(f"sqlite:///{tmp_path}/store.sqlite")
    write_episodes(
        database,
        [
            an_episode(0, (1.0, 0.0), outcome=an_outcome(12)),
            an_episode(1, (0.0, 0.0), outcome=an_outcome(13), pair="ETH/USDT"),
            an_episode(2, (0.0, 0.0), outcome=an_outcome(50), pair="ETH/USDT"),
            an_episode(3, (0.0, 0.0), outcome=an_outcome(15), scope="another"),
        ],
    )
    held = [
        EpisodicMemory(database, scope, pair, MemorySettings())
        for scope, pair in (("test", "BTC/USDT"), ("test", "ETH/USDT"), ("another", "BTC/USDT"))
    ]
    for memory in held:
        memory.load(at(99))
    yield held
    database.close()


def test_scores_by_hand_over_pairs_and_runs(memories: list[EpisodicMemory]) -> None:
    weights = AspectWeights(state=1.0, pair=0.5, regime=0.25, strategy=0.1)
    found = Retriever(memories, weights).top(a_view(20), 9, strategy="test")
    # The episode at hour 2 is known at hour 50: not yet.
    expected = {
        "BTC/USDT@3": 1.0 + 0.5 + 0.25,
        "ETH/USDT@1": 1.0 + 0.25 + 0.1,
        "BTC/USDT@0": math.exp(-1 / math.sqrt(2)) + 0.5 + 0.25 + 0.1,
    }
    assert {r.episode.id: r.score for r in found} == pytest.approx(expected)
    assert [r.episode.id for r in found] == sorted(expected, key=lambda name: -expected[name])
    assert found[0].aspects == {"state": 1.0, "pair": 1.0, "regime": 1.0, "strategy": 0.0}


def test_no_more_than_k_and_nothing_from_the_future(memories: list[EpisodicMemory]) -> None:
    assert len(Retriever(memories).top(a_view(99), 2)) == 2
    assert Retriever(memories).top(a_view(11), 9) == ()
