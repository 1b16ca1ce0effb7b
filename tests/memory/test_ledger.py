"""A hand-made history: what each episode is worth, where it is kept and when it moves, worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent_market.config import ImportanceWeights, LayerSettings, MemorySettings, RankWeights
from agent_market.errors import DataError
from agent_market.memory.episodic import EpisodicMemory
from agent_market.memory.layers import Standing, month_after
from agent_market.memory.note_store import AuditEntry, pin_episode
from agent_market.records import Episode, Layer, Move, Neighbour, Outcome, Recall
from agent_market.store.database import Database
from agent_market.store.memory_moves import moves_of
from tests.helpers.episode_makers import a_view, an_episode, an_outcome, at

HORIZON = 4
S = 0.02  # expected deviation: volatility_24 of 0.01 over 4 candles
USEFULNESS_ONLY = ImportanceWeights(surprise=0, size=0, rarity=0)
SURPRISE_ONLY = ImportanceWeights(size=0, rarity=0, usefulness=0)


def hours(year: int, month: int, day: int) -> int:
    return int((datetime(year, month, day, tzinfo=UTC) - at(0)).total_seconds() // 3600)


def decided(
    hour: int,
    market_return: float,
    state: tuple[float, float] = (0.0, 0.0),
    depth: float = 0.0,
    recalled: tuple[Episode, ...] = (),
    known: int | None = None,
) -> Episode:
    outcome = an_outcome(hour + HORIZON if known is None else known, market_return)
    episode = an_episode(hour, state, {"quant": depth}, outcome, horizon=HORIZON)
    return replace(episode, recall=Recall(at(hour), tuple(map(as_neighbour, recalled))))


def as_neighbour(episode: Episode) -> Neighbour:
    assert episode.outcome is not None
    return Neighbour(
        episode.id, episode.view.asof, episode.outcome.known_at, 1.0, episode.outcome.market_return
    )


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield database
    database.close()


def a_memory(database: Database, layers: LayerSettings, *episodes: Episode) -> EpisodicMemory:
    settings = MemorySettings(k=1, k_max=4, min_neighbours=1, layers=layers)
    memory = EpisodicMemory(database, "test", "BTC/USDT", settings)
    for episode in episodes:
        memory.remember(episode)
    return memory


def standings(memory: EpisodicMemory, hour: int) -> dict[str, Standing]:
    return {s.episode_id: s for s in memory.standing(at(hour))}


def test_importance_of_three_episodes_worked_out_by_hand(database: Database) -> None:
    a = decided(0, +S, state=(0, 0))
    b = decided(24, +S, state=(3, 4), depth=10.0)
    c = decided(48, -3 * S, state=(0, 0), recalled=(a,))
    held = standings(a_memory(database, LayerSettings(), a, b, c), 60)

    # Each is assessed when it becomes known, on what is known then.
    # a: one deviation off; alone, so in the middle of all sizes; no state before it; never recalled.
    one = math.erf(1 / math.sqrt(2))
    assert held[a.id].importance == pytest.approx(1 + 9 * (one + 0.5 + 0.5) / 3)
    # b: foretold in full; as large as a; the first distance there is (5); never recalled.
    assert held[b.id].importance == pytest.approx(1 + 9 * (0.0 + 0.5 + 0.5 + 0.5) / 4)
    # c: three deviations; the largest of three (2.5 / 3); distance 0, the smaller of two (0.5 / 2).
    three = math.erf(3 / math.sqrt(2))
    assert held[c.id].importance == pytest.approx(1 + 9 * (three + 2.5 / 3 + 0.25 + 0.5) / 4)
    # a was recalled for c, and pointed up where c fell: its usefulness is 1/3 by now.
    assert (held[a.id].judged, held[a.id].helped, held[a.id].evidence.usefulness) == (1, 0, 1 / 3)
    assert held[a.id].evidence.rarity is None
    assert all(s.layer is Layer.WORKING for s in held.values())


def test_a_month_later_all_are_assessed_anew_on_what_is_known_by_then(database: Database) -> None:
    a, b = decided(0, +S), decided(24, -3 * S)
    c = decided(48, +S, recalled=(a, b))
    memory = a_memory(database, LayerSettings(importance=USEFULNESS_ONLY), a, b, c)
    february = hours(2024, 2, 1)
    before, after = standings(memory, february - 1), standings(memory, february)
    assert [before[e.id].importance for e in (a, b)] == [5.5, 5.5]
    # a pointed the right way (2/3), b the wrong way (1/3).
    assert [after[e.id].importance for e in (a, b, c)] == pytest.approx([7.0, 4.0, 5.5])


def test_a_great_surprise_is_promoted_as_soon_as_it_is_known_and_never_forgotten(database: Database) -> None:
    # 2.5 deviations: erf(2.5 / sqrt 2) = 0.9876 -> 9.9
    great, small = decided(0, 2.5 * S), decided(1, 0.1 * S)
    memory = a_memory(database, LayerSettings(importance=SURPRISE_ONLY), great, small)
    held = standings(memory, HORIZON + 1)
    assert (held[great.id].layer, held[small.id].layer) == (Layer.LONG, Layer.WORKING)
    years_later = standings(memory, hours(2034, 1, 1))
    assert years_later[great.id].layer is Layer.LONG
    assert years_later[great.id].retained == years_later[great.id].importance
    assert years_later[small.id].layer is Layer.ARCHIVE


def test_what_helps_often_is_promoted_at_the_next_re_assessment_and_not_before(database: Database) -> None:
    first = decided(0, +S)
    later = [decided(24 * day, +S, recalled=(first,)) for day in range(1, 8)]
    memory = a_memory(database, LayerSettings(importance=USEFULNESS_ONLY), first, *later)
    february = hours(2024, 2, 1)
    # Right seven times of seven: 8/9 of the way from 1 to 10.
    assert standings(memory, february - 1)[first.id].layer is Layer.SHORT
    assert standings(memory, february)[first.id].importance == 9.0
    assert standings(memory, february)[first.id].layer is Layer.LONG


def test_an_ordinary_episode_is_forgotten_at_the_first_re_assessment_after_105_days(
    database: Database,
) -> None:
    # 1 + 4.5 * 2^(-t / 90) <= 3 from t = 90 log2(2.25) = 105.3 days on: not on 1 April (91), on 1 May (121).
    memory = a_memory(database, LayerSettings(importance=USEFULNESS_ONLY), decided(0, +S))
    april, may = hours(2024, 4, 1), hours(2024, 5, 1)
    (in_april,) = memory.standing(at(april))
    assert in_april.layer is Layer.SHORT
    assert in_april.retained == pytest.approx(1 + 4.5 * 2 ** (-(april - HORIZON) / 24 / 90))
    assert [n.episode_id for n in memory.recall(a_view(may - 1)).neighbours] == [in_april.episode_id]
    assert memory.standing(at(may))[0].layer is Layer.ARCHIVE
    assert memory.recall(a_view(may)).neighbours == ()
    assert len(memory.settled(at(may))) == 1, "what is archived is still learned from"


def test_a_recall_that_helped_starts_forgetting_anew_and_one_that_did_not_does_not(
    database: Database,
) -> None:
    helped, misled = decided(0, +S), decided(1, -S)
    april = hours(2024, 4, 10)
    after = decided(april, +S, recalled=(helped, misled))
    memory = a_memory(database, LayerSettings(importance=USEFULNESS_ONLY), helped, misled, after)
    held = standings(memory, hours(2024, 5, 1))
    assert (held[helped.id].layer, held[misled.id].layer) == (Layer.SHORT, Layer.ARCHIVE)
    # 2/3 useful -> 7; 21 days less 4 hours since it helped.
    assert held[helped.id].retained == pytest.approx(1 + 6 * 2 ** (-(21 - 4 / 24) / 90))


def test_nothing_is_forgotten_in_its_first_week(database: Database) -> None:
    old, young = decided(hours(2024, 1, 20), +S), decided(hours(2024, 1, 28), +S)
    layers = LayerSettings(importance=USEFULNESS_ONLY, forget_at=6.0)
    held = standings(a_memory(database, layers, old, young), hours(2024, 2, 1))
    assert (held[old.id].layer, held[young.id].layer) == (Layer.ARCHIVE, Layer.WORKING)


@pytest.mark.parametrize(("worst", "best"), [(-0.09, 0.01), (-0.01, 0.09)])
def test_crashes_and_spikes_are_kept_whatever_their_importance(
    database: Database, worst: float, best: float
) -> None:
    shocked = replace(decided(0, +S), outcome=Outcome(0.0, best, worst, 0.0, at(HORIZON)))
    quiet = replace(decided(1, +S), outcome=Outcome(0.0, 0.01, -0.079, 0.0, at(1 + HORIZON)))
    memory = a_memory(database, LayerSettings(importance=SURPRISE_ONLY), shocked, quiet)
    held = standings(memory, hours(2030, 1, 1))
    assert held[shocked.id].importance == 1.0
    assert (held[shocked.id].layer, held[quiet.id].layer) == (Layer.EPISODIC, Layer.ARCHIVE)


def test_moves_are_stored_with_the_episodes_and_written_anew_when_the_run_is(database: Database) -> None:
    great, small = decided(0, 2.5 * S), decided(1, 0.1 * S)
    layers = LayerSettings(importance=SURPRISE_ONLY)
    memory = a_memory(database, layers, great, small)
    memory.recall(a_view(hours(2024, 12, 31)))
    memory.flush()
    epoch = [int((at(h)).timestamp()) for h in (0, HORIZON, 1, hours(2024, 2, 1))]
    expected = (
        Move(epoch[0], epoch[1], Layer.LONG, pytest.approx(9.8882, abs=1e-4), "importance 9.9"),
        Move(epoch[2], epoch[3], Layer.ARCHIVE, pytest.approx(1.7169, abs=1e-4), "decayed to 1.6"),
    )
    assert moves_of(database, "test", "BTC/USDT") == expected
    again = a_memory(database, layers)
    again.load(before=at(hours(2025, 1, 1)))
    again.recall(a_view(hours(2025, 1, 1)))
    again.flush()
    assert moves_of(database, "test", "BTC/USDT") == expected
    assert moves_of(database, "test", "BTC/USDT", by=epoch[1]) == expected[:1]


def test_layers_off_is_recall_by_likeness_of_everything(database: Database) -> None:
    old = decided(0, 0.1 * S, state=(0, 0))
    near = decided(hours(2025, 1, 1), S, state=(1, 0))
    view = a_view(hours(2025, 1, 2), (0.1, 0.0))
    layered = a_memory(database, LayerSettings(importance=SURPRISE_ONLY), old, near)
    plain = a_memory(database, LayerSettings(enabled=False), old, near)
    assert [n.episode_id for n in layered.recall(view).neighbours] == [near.id]
    assert [n.episode_id for n in plain.recall(view).neighbours] == [old.id, near.id]


def test_with_all_weight_on_likeness_the_nearest_of_those_not_forgotten_come_first(
    database: Database,
) -> None:
    episodes = [decided(24 * n, +S, state=(float(n % 7), float(n))) for n in range(20)]
    layers = LayerSettings(rank=RankWeights(recency=0, importance=0))
    view = a_view(24 * 20, (2.2, 9.1))
    by_rank = a_memory(database, layers, *episodes).recall(view)
    assert by_rank == a_memory(database, LayerSettings(enabled=False), *episodes).recall(view)


def test_an_earlier_moment_can_be_asked_for_after_a_later_one(database: Database) -> None:
    episodes = [decided(24 * n, (n % 5 - 2) * S) for n in range(60)]
    memory, fresh = (a_memory(database, LayerSettings(), *episodes) for _ in range(2))
    memory.standing(at(hours(2024, 6, 1)))
    moment = at(24 * 40)
    assert memory.standing(moment) == fresh.standing(moment)


@pytest.mark.parametrize(
    ("moment", "then"),
    [
        (datetime(2024, 1, 31, 23, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)),
        (datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)),
        (datetime(2024, 12, 5, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)),
    ],
)
def test_months_are_those_of_the_calendar(moment: datetime, then: datetime) -> None:
    assert datetime.fromtimestamp(month_after(int(moment.timestamp())), UTC) == then


def test_the_working_layer_ends_a_week_after_the_outcome(database: Database) -> None:
    episode = decided(0, +S)
    memory = a_memory(database, LayerSettings(), episode)
    assert standings(memory, 84)[episode.id].layer is Layer.WORKING
    assert standings(memory, HORIZON + 7 * 24)[episode.id].layer is Layer.SHORT


def pin(database: Database, episode: Episode, hour: int, pinned: bool = True) -> None:
    pin_episode(database, "test", episode.id, AuditEntry("ann", at(hour)), pinned)


def test_a_pinned_episode_is_not_forgotten_and_its_pin_holds_from_when_it_was_set(database: Database) -> None:
    kept, gone = decided(0, +S), decided(1, +S)
    memory = a_memory(database, LayerSettings(importance=USEFULNESS_ONLY), kept, gone)
    memory.flush()
    pin(database, kept, hours(2024, 4, 15))
    memory.refresh(at(hours(2024, 7, 1)))
    # As in the test above, both have decayed by 1 May.
    held = standings(memory, hours(2024, 5, 1))
    assert (held[kept.id].layer, held[gone.id].layer) == (Layer.SHORT, Layer.ARCHIVE)
    assert [n.episode_id for n in memory.recall(a_view(hours(2024, 5, 2))).neighbours] == [kept.id]
    loaded = a_memory(database, LayerSettings(importance=USEFULNESS_ONLY))
    loaded.load(at(hours(2024, 7, 1)))
    assert standings(loaded, hours(2024, 5, 1)) == held


def test_a_pin_brings_back_from_the_archive_and_without_it_forgetting_starts_anew(database: Database) -> None:
    episode = decided(0, +S)
    memory = a_memory(database, LayerSettings(importance=USEFULNESS_ONLY), episode)
    memory.flush()
    pin(database, episode, hours(2024, 5, 10))
    pin(database, episode, hours(2024, 6, 10), pinned=False)
    memory.refresh(at(hours(2025, 1, 1)))
    memory.standing(at(hours(2024, 10, 1)))
    # Archived on 1 May, back on 1 June; 105.3 days after that is 14 September.
    start = int(at(0).timestamp())
    moves = [((m.at - start) // 3600, m.layer, m.reason) for m in memory.moves()]
    assert moves == [
        (hours(2024, 5, 1), Layer.ARCHIVE, "decayed to 2.8"),
        (hours(2024, 6, 1), Layer.SHORT, "pinned"),
        (hours(2024, 10, 1), Layer.ARCHIVE, "decayed to 2.8"),
    ]


def test_an_episode_that_is_not_there_cannot_be_pinned(database: Database) -> None:
    with pytest.raises(DataError, match="no episode 'nothing' in scope 'test'"):
        pin_episode(database, "test", "nothing", AuditEntry("ann", at(0)))
