"""Random questions: what was taught, pinned, found or settled later is in no lesson, graph, rank or prompt.

The truth is the same store without anything of later than the moment that is asked about.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_market.agents.prompts.user_prompt import Brief
from agent_market.agents.roles import ROLES
from agent_market.config import MemorySettings, TextSettings
from agent_market.memory.bitemporal import Times
from agent_market.memory.episodic import EpisodicMemory
from agent_market.memory.graph.graph_store import edges_at, write_findings
from agent_market.memory.graph.records import Edge, EdgeEvidence
from agent_market.memory.lessons import LessonBook
from agent_market.memory.long_term import LongTermMemory
from agent_market.memory.note_store import AuditEntry, NoteStore, pin_episode
from agent_market.memory.notes import Note
from agent_market.memory.text.index import Hit
from agent_market.records import Recall
from agent_market.store.database import Database
from agent_market.store.episodes import write_episodes
from tests.helpers.episode_makers import SCOPE, a_view, an_episode, an_outcome, at

TEXTS = (
    "In a calm chop mean reversion works",
    "In a calm chop mean reversion fails",
    "BTC follows ETH in a calm chop",
    "A chop that is calm ends with a spike",
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["teach", "correct", "pin", "unpin", "find", "live", "keep"]),
        st.integers(0, len(TEXTS) - 1),
        st.integers(0, 12),
        st.sampled_from([1, 1, 2, 5]),
    ),
    min_size=4,
    max_size=14,
)
TAUGHT_FIRST = [("teach", which, 0, 1) for which in (0, 2)]  # so that there is something to pin and correct
HOURS = 12


def lived(database: Database, events: list[tuple[str, int, int, int]], by: int) -> None:
    """All that happened up to slot `by`, in order of time; late outcomes stay open until they are known."""
    book, taught, episodes = NoteStore(database), {}, {}
    for what, which, slot, late in sorted(events, key=lambda event: event[2]):
        when, hand = at(slot * HOURS), AuditEntry("ann", at(slot * HOURS))
        if slot > by:
            break
        held = taught.get(which)
        if what == "teach" and held is None:
            note = Note(TEXTS[which], "ann", Times(when, when, when))
            if book.teach(note, hand) is None:
                taught[which] = note
        elif what == "correct" and held is not None and held.times.known < when:
            changed = Note(f"{TEXTS[which]}, less {slot}", "bob", Times(when, when, when), corrects=held.id)
            if book.correct(held.id, changed, hand) is None:
                taught[which] = changed
        elif what in ("pin", "unpin") and held is not None:
            book.pin(held.id, hand, what == "pin")
        elif what == "find":
            evidence = EdgeEvidence({"q": 0.01}, (), ())
            edge = Edge("asset:BTC", f"asset:N{which}", "co-moves", 0.5, Times(when, when, when), evidence)
            write_findings(database, "", ["co-moves"], [edge], when)
        elif what == "live" and slot not in episodes:
            known = slot + late
            outcome = an_outcome(known * HOURS, 0.01 * (which - 2)) if known <= by else None
            state = (float(which), 1.0)
            made = an_episode(slot * HOURS, state, outcome=outcome, horizon=HOURS, belief=TEXTS[which])
            write_episodes(database, [made])
            episodes[slot] = made.id
        elif what == "keep" and episodes:
            pin_episode(database, SCOPE, episodes[max(episodes)], hand)


def answers(database: Database, asof: int) -> list[object]:
    """All that memory says at a moment, down to the words of the prompts."""
    view = a_view(asof, (1.0, 1.0))
    memory = EpisodicMemory(database, SCOPE, view.pair, MemorySettings(k=2, k_max=4, min_neighbours=2))
    memory.load(at(10_000))
    lessons = LessonBook(database, SCOPE, TextSettings(lessons=3)).about(view)
    recall = Recall(view.asof, memory.recall(view).neighbours, lessons)
    hits = LongTermMemory(database, SCOPE, TextSettings()).search("calm chop mean reversion", view.asof, 9)
    for known in [hit.item.known_at for hit in hits] + [lesson.known_at.timestamp() for lesson in lessons]:
        assert known <= view.asof.timestamp()
    edges = edges_at(database, view.asof, SCOPE)
    assert all(edge.times.known <= view.asof for edge in edges)
    prompts = [Brief(view, recall).user_message(role) for role in ROLES]
    return [recall, memory.standing(view.asof), [_seen(h) for h in hits], [e.target for e in edges], prompts]


def _seen(hit: Hit) -> tuple[object, ...]:
    return hit.item.id, hit.score, hit.merged, hit.contested_by


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(EVENTS, st.integers(0, 12))
def test_a_store_that_lived_on_says_what_it_said_then(
    tmp_path_factory, events: list[tuple[str, int, int, int]], slot: int
) -> None:
    said = []
    for by in (slot, 1_000):
        folder: Path = tmp_path_factory.mktemp("store")
        database = Database(f"sqlite:///{folder}/store.sqlite")
        lived(database, [*TAUGHT_FIRST, *events], by)
        said.append(answers(database, slot * HOURS))
        database.close()
    assert said[0] == said[1]
