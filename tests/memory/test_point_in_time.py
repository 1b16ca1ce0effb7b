"""Whatever order facts arrive in, an answer as of a moment rests on what was known by then."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_market.config import DecisionSettings, MemorySettings
from agent_market.decision.learner import WeightLearner
from agent_market.memory.episodic import EpisodicMemory
from agent_market.records import Episode, Outcome
from agent_market.store.database import Database
from tests.helpers.episode_makers import a_view, an_episode, an_outcome, at

MEMORY = MemorySettings(k=3, k_max=5, min_neighbours=1)
EVER = 1_000
AGENTS = ("quant", "memory", "judge")
AWAKE = dict.fromkeys(AGENTS, 1.0)

depths = st.dictionaries(st.sampled_from(AGENTS), st.integers(-10, 10).map(float), min_size=1)
# An outcome may be known at the due time, later, together with others, or never.
decided = st.tuples(
    st.tuples(st.integers(-2, 2).map(float), st.integers(-2, 2).map(float)),
    depths,
    st.none() | st.tuples(st.sampled_from([1, 2, 2, 3, 9]), st.sampled_from([-0.04, -0.01, 0.0, 0.02])),
)
histories = st.dictionaries(st.integers(0, 20), decided, min_size=1, max_size=15)


def episode_of(hour: int, told: tuple) -> tuple[Episode, Outcome | None]:
    state, views, outcome = told
    episode = an_episode(hour, state, views, horizon=1)
    return episode, None if outcome is None else an_outcome(hour + outcome[0], outcome[1], cost=0.002)


def a_memory(database: Database) -> EpisodicMemory:
    return EpisodicMemory(database, "test", "BTC/USDT", MEMORY)


@pytest.fixture(scope="module")
def unused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A store that nothing is flushed to."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('unused') / 'store.sqlite'}")
    yield database
    database.close()


@contextmanager
def a_stored_memory() -> Iterator[EpisodicMemory]:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'store.sqlite'}")
        yield a_memory(database)
        database.close()


def answers(memory: EpisodicMemory, hour: int) -> tuple:
    settled = memory.settled(at(hour))
    return (
        memory.recall(a_view(hour, (0.3, -0.4))),
        tuple(e.id for e in settled),
        WeightLearner(AGENTS, DecisionSettings()).weights(settled, AWAKE),
    )


def tell(memory: EpisodicMemory, told: list[tuple[Episode, Outcome | None]], known_by: int) -> None:
    """What was decided before, and known by, `known_by`; in the order given."""
    for episode, _ in told:
        if episode.view.asof < at(known_by):
            memory.remember(episode)
    for episode, outcome in told:
        if outcome is not None and outcome.known_at <= at(known_by):
            memory.settle(episode, outcome)


@settings(max_examples=60, deadline=None)
@given(histories, st.randoms(use_true_random=False), st.integers(0, 24))
def test_nothing_known_later_is_recalled_or_learned(unused, history, shuffle, asof) -> None:
    told = [episode_of(hour, what) for hour, what in history.items()]
    whole, cut = a_memory(unused), a_memory(unused)
    tell(cut, sorted(told, key=lambda one: one[0].view.asof), known_by=asof)
    shuffle.shuffle(told)
    tell(whole, told, known_by=EVER)
    recall, _, _ = answers(whole, asof)
    assert all(n.known_at <= at(asof) and n.asof < at(asof) for n in recall.neighbours)
    assert answers(whole, asof) == answers(cut, asof)


@settings(max_examples=25, deadline=None)
@given(histories, st.integers(0, 24))
def test_the_database_cut_at_a_date_gives_the_same_answers(history, asof) -> None:
    told = [episode_of(hour, what) for hour, what in history.items()]
    with a_stored_memory() as whole, a_stored_memory() as cut:
        for memory, known_by in ((whole, EVER), (cut, asof)):
            tell(memory, told, known_by)
            memory.flush()
            memory.load(before=at(asof))
        assert answers(whole, asof) == answers(cut, asof)


@settings(max_examples=60, deadline=None)
@given(histories, st.lists(st.integers(0, 30), min_size=1, max_size=8))
def test_one_learner_asked_at_any_moments_answers_as_a_fresh_one_does(unused, history, asofs) -> None:
    memory = a_memory(unused)
    learner = WeightLearner(AGENTS, DecisionSettings())
    waiting = sorted(history.items())
    for asof in asofs:
        for hour, what in [one for one in waiting if one[0] < asof]:
            tell(memory, [episode_of(hour, what)], known_by=EVER)
            waiting.remove((hour, what))
        fresh = WeightLearner(AGENTS, DecisionSettings())
        settled = memory.settled(at(asof))
        assert learner.weights(settled, AWAKE) == fresh.weights(settled, AWAKE)
