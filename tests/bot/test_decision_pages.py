"""Pages of decisions come out of the database filtered and in order: full, and never empty with a `next`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, select

from agent_market.queries import run_context as sources
from agent_market.queries.decisions import Page, decision_page
from agent_market.queries.run_context import RunContext, open_source
from agent_market.records import Episode
from agent_market.store.database import Database
from agent_market.store.episodes import write_episodes
from agent_market.store.fates import refresh_fates
from agent_market.store.outcomes import put_outcomes
from agent_market.store.risk_notes import RiskNote, add_risk_notes, begin_run
from agent_market.store.schema import episodes
from tests.helpers.episode_makers import START, a_view, an_episode, an_outcome, at

PAIRS = ("BTC/USDT", "ETH/USDT")


def wanted(hour: int, pair: str = PAIRS[0]) -> Episode:
    """A decision to buy that no limit touched."""
    episode = an_episode(hour, depths={"quant": 8.0}, scope="live", pair=pair)
    return replace(
        episode,
        view=a_view(hour, pair=pair),
        decision=replace(episode.decision, action="buy", depth=8.0),
        verdict=replace(episode.verdict, action="buy", depth=4.0),
    )


def held(hour: int, pair: str = PAIRS[0]) -> Episode:
    episode = an_episode(hour, scope="live", pair=pair)
    return replace(episode, view=a_view(hour, pair=pair))


def note(episode: Episode, kind: str, run: str = "live", baseline: bool = False, **data: object) -> RiskNote:
    return RiskNote(episode.id, episode.view.pair, kind, episode.view.asof, data, run, baseline)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunContext:
    monkeypatch.setattr(sources, "_stores", {})
    Database(f"sqlite:///{tmp_path}/agent_market.sqlite").close()
    return open_source({"user_data_dir": str(tmp_path)})


def stored_fate(database: Database, episode: Episode) -> str:
    with database.begin() as connection:
        query = select(episodes.c.fate).where(episodes.c.scope == "live", episodes.c.id == episode.id)
        return str(connection.scalar(query))


def test_a_rare_fate_is_found_beyond_thousands_of_others_and_no_page_is_empty_with_a_next(
    source: RunContext,
) -> None:
    rare = [wanted(hour) for hour in (0, 1, 2)]
    write_episodes(source.database, [*rare, *(held(hour) for hour in range(3, 2_600))])
    add_risk_notes(source.database, "live", [note(e, "refusal", cause="spread") for e in rare])
    first = decision_page(source, fate="refused", limit=2)
    assert [(row.episode.id, row.refusal) for row in first.rows] == [
        (rare[2].id, "spread"),
        (rare[1].id, "spread"),
    ]
    assert first.next is not None
    second = decision_page(source, fate="refused", before=first.next, limit=2)
    assert [row.episode.id for row in second.rows] == [rare[0].id]
    assert second.next is None
    assert decision_page(source, fate="traded") == Page((), None)


def test_pages_of_any_size_give_every_decision_once_in_one_order(source: RunContext) -> None:
    decided = [wanted(hour, pair) for hour in range(9) for pair in PAIRS]
    write_episodes(source.database, decided)
    expected = sorted(decided, key=lambda e: (e.view.asof, e.view.pair), reverse=True)
    for size in (1, 2, 5, 9, 18):
        seen: list[Episode] = []
        cursor = None
        while True:
            page = decision_page(source, before=cursor, limit=size)
            assert page.rows, "a `next` always leads to something"
            seen += [row.episode for row in page.rows]
            cursor = page.next
            if cursor is None:
                break
        assert seen == expected
    of_eth = decision_page(source, pair=PAIRS[1], since=at(3), until=at(6))
    assert [row.episode.view.asof for row in of_eth.rows] == [at(5), at(4), at(3)]


def test_a_fate_follows_its_notes_whichever_is_written_first(source: RunContext) -> None:
    late, early = wanted(1), wanted(2)
    write_episodes(source.database, [late])
    assert stored_fate(source.database, late) == "not_traded"
    add_risk_notes(source.database, "live", [note(late, "clamps")])
    assert stored_fate(source.database, late) == "not_traded"
    add_risk_notes(source.database, "live", [note(late, "refusal", cause="a"), note(late, "fill")])
    assert stored_fate(source.database, late) == "traded"
    add_risk_notes(source.database, "live", [note(early, "refusal", cause="b")])
    write_episodes(source.database, [early])
    assert stored_fate(source.database, early) == "refused"
    write_episodes(source.database, [replace(late, outcome=an_outcome(13)), early])  # settled: as it was
    assert stored_fate(source.database, late) == "traded"
    assert stored_fate(source.database, early) == "refused"


def test_a_baselines_notes_change_no_fate_and_a_new_backtest_begins_without_the_old_ones(
    source: RunContext,
) -> None:
    episode = wanted(1)
    write_episodes(source.database, [episode])
    add_risk_notes(source.database, "live", [note(episode, "fill", "backtest/Baseline", baseline=True)])
    assert stored_fate(source.database, episode) == "not_traded"
    with source.database.begin() as connection:
        refresh_fates(connection, "live", [episode.id, "no such decision"])
    assert stored_fate(source.database, episode) == "not_traded"
    add_risk_notes(source.database, "live", [note(episode, "fill", "backtest/Mine")])
    assert stored_fate(source.database, episode) == "traded"
    begin_run(source.database, "live", "backtest/Mine")
    assert stored_fate(source.database, episode) == "not_traded"


def test_another_decision_at_the_same_time_starts_with_its_own_fate_and_without_outcome(
    source: RunContext,
) -> None:
    first = replace(wanted(1), outcome=an_outcome(13, 0.02))
    write_episodes(source.database, [first])
    write_episodes(source.database, [held(1)])
    with source.database.begin() as connection:
        row = connection.execute(select(episodes)).one()
    assert (row.fate, row.action, row.market_return, row.reward) == ("hold", "hold", None, None)


def test_an_outcome_written_alone_reaches_the_columns(source: RunContext) -> None:
    episode = wanted(1)
    write_episodes(source.database, [episode])
    outcome = an_outcome(13, 0.02)
    assert put_outcomes(source.database, [(episode, outcome)]) == 1
    with source.database.begin() as connection:
        row = connection.execute(select(episodes)).one()
    assert row.market_return == 0.02
    assert row.reward == pytest.approx(outcome.reward(episode.verdict.depth))
    assert (row.depth, row.allowed, row.regime) == (
        episode.decision.depth,
        episode.verdict.depth,
        episode.view.regime,
    )


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        ({}, "ix_episodes_asof"),
        ({"fate": "traded"}, "ix_episodes_fate"),
        ({"pair": "BTC/USDT"}, "sqlite_autoindex_episodes_1"),
        ({"debated": True}, "ix_episodes_debated"),
    ],
)
def test_each_kind_of_page_is_read_through_its_index(
    source: RunContext, asked: dict[str, object], index: str
) -> None:
    write_episodes(source.database, [wanted(hour) for hour in range(4)])
    plans: list[str] = []

    def explain(connection: object, cursor: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith("SELECT episodes.id"):
            raw = source.database.engine.raw_connection()
            found = raw.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            raw.close()
            plans.append(" | ".join(row[3] for row in found))

    event.listen(source.database.engine, "before_cursor_execute", explain)
    before = f"{int((START + timedelta(hours=3)).timestamp())}~BTC/USDT"
    decision_page(source, before=before, limit=2, **asked)  # type: ignore[arg-type]
    (plan,) = plans
    assert f"USING INDEX {index}" in plan
    assert "SCAN" not in plan
