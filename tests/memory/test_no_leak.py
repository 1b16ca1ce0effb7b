"""Ten thousand random questions: what was not known by then is not recalled, ranked, counted or assessed.

The truth is a memory that was never told the future: told only what was decided before, and known by, the
moment that is asked about.  Times are coarse, so that equal ones are common; outcomes come late, together or
never; and everything is told in random order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_market.agents.memory_agent import memory_view
from agent_market.config import LayerSettings, MemorySettings
from agent_market.memory.episodic import EpisodicMemory
from agent_market.records import Episode, Neighbour, Outcome, Recall
from agent_market.store.database import Database
from tests.helpers.episode_makers import a_view, an_episode, an_outcome, at

SLOTS, HOURS = 30, 5 * 24  # 150 days in steps of five: months begin between them
QUESTIONS = 50
states = st.tuples(st.integers(-2, 2).map(float), st.integers(-2, 2).map(float))
outcomes = st.none() | st.tuples(
    st.sampled_from([1, 1, 2, 2, 3, 12]), st.sampled_from([-0.2, -0.04, 0.0, 0.02, 0.02, 0.3])
)
histories = st.dictionaries(
    st.integers(0, SLOTS - 1), st.tuples(states, st.integers(-10, 10), outcomes), min_size=1, max_size=16
)
questions = st.lists(st.tuples(st.integers(0, SLOTS + 12), states), min_size=QUESTIONS, max_size=QUESTIONS)
layered = st.sampled_from(
    [
        LayerSettings(enabled=False),
        LayerSettings(),
        LayerSettings(forget_at=5.0, promote_at=6.0, short_half_life_days=30.0),
    ]
)

Told = tuple[Episode, Outcome | None]


def told_of(history: dict[int, tuple]) -> list[Told]:
    """Episodes in order of time, each with what it could recall when it was decided."""
    told: list[Told] = []
    for slot in sorted(history):
        state, depth, outcome = history[slot]
        hour = slot * HOURS
        result = None if outcome is None else an_outcome((slot + outcome[0]) * HOURS, outcome[1])
        episode = an_episode(hour, state, {"quant": float(depth)}, horizon=HOURS)
        known = [(e, o) for e, o in told if o is not None and o.known_at <= at(hour)]
        recall = Recall(
            at(hour),
            tuple(Neighbour(e.id, e.view.asof, o.known_at, 1.0, o.market_return) for e, o in known[-3:]),
        )
        told.append((replace(episode, recall=recall), result))
    return told


def tell(memory: EpisodicMemory, told: list[Told], by: int) -> EpisodicMemory:
    for episode, _ in told:
        if episode.view.asof < at(by):
            memory.remember(episode)
    for episode, outcome in told:
        if outcome is not None and outcome.known_at <= at(by):
            memory.settle(episode, outcome)
    return memory


@pytest.fixture(scope="module")
def unused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('unused') / 'store.sqlite'}")
    yield database
    database.close()


def check(unused: Database, history, shuffle, asked, layers: LayerSettings) -> None:
    memory_settings = MemorySettings(k=2, k_max=4, min_neighbours=2, layers=layers)

    def empty() -> EpisodicMemory:
        return EpisodicMemory(unused, "test", "BTC/USDT", memory_settings)

    told = told_of(history)
    mixed = list(told)
    shuffle.shuffle(mixed)
    whole = tell(empty(), mixed, by=10**6)
    cuts: dict[int, EpisodicMemory] = {}
    for slot, state in asked:
        hour = slot * HOURS
        view = a_view(hour, state)
        if slot not in cuts:
            cuts[slot] = tell(empty(), told, by=hour)
        recall = whole.recall(view)
        assert all(n.known_at <= view.asof for n in recall.neighbours)
        assert recall == cuts[slot].recall(view)
        assert memory_view(recall, memory_settings) == memory_view(cuts[slot].recall(view), memory_settings)
        standing = whole.standing(view.asof)
        assert {s.episode_id for s in standing} == {
            e.id for e, o in told if o is not None and o.known_at <= view.asof
        }
        assert standing == cuts[slot].standing(view.asof)


random_question = given(histories, st.randoms(use_true_random=False), questions, layered)
unhurried = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=25, deadline=None, suppress_health_check=unhurried)
@random_question
def test_a_thousand_random_questions_see_nothing_of_the_future(
    unused, history, shuffle, asked, layers
) -> None:
    check(unused, history, shuffle, asked, layers)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=unhurried)
@random_question
def test_ten_thousand_random_questions_see_nothing_of_the_future(
    unused, history, shuffle, asked, layers
) -> None:
    check(unused, history, shuffle, asked, layers)


@settings(max_examples=12, deadline=None, suppress_health_check=unhurried)
@given(histories, st.integers(0, SLOTS + 12), states)
def test_the_database_cut_at_a_date_has_the_same_layers_and_importance(
    tmp_path_factory, history, slot, state
) -> None:
    told, view = told_of(history), a_view(slot * HOURS, state)
    answers = []
    for by in (10**6, slot * HOURS):
        folder = tmp_path_factory.mktemp("store")
        database = Database(f"sqlite:///{folder / 'store.sqlite'}")
        memory = EpisodicMemory(database, "test", "BTC/USDT", MemorySettings())
        tell(memory, told, by).flush()
        memory.load(before=view.asof)
        answers.append((memory.recall(view), memory.standing(view.asof)))
        database.close()
    assert answers[0] == answers[1]
