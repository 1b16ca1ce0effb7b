"""From every earlier version of the schema to the newest, with rows in it; on SQLite and PostgreSQL."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, select, text

from agent_market.store.answers import AnswerStore
from agent_market.store.database import MIGRATIONS, Database
from agent_market.store.episode_json import outcome_to_json, record_to_json
from agent_market.store.episodes import episodes_of
from agent_market.store.jobs import runs_of_all_scopes
from agent_market.store.prompts import StoredPrompt, promote, promotions, read_prompt
from agent_market.store.schema import episodes, metadata
from tests.helpers.episode_makers import SCOPE, an_episode, an_outcome

EPISODE = an_episode(3, state=(0.5, -0.5), outcome=an_outcome(15))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


SCRIPTS = list(ScriptDirectory.from_config(_config()).walk_revisions())
VERSIONS = [script.revision for script in reversed(SCRIPTS)]


def create_at(url: str, version: str) -> None:
    """A store as that version of Agent Market left it, with an answer and a settled episode."""
    engine = create_engine(url)
    config = _config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
        connection.execute(
            text(
                "INSERT INTO answers (key, role, model, request, response, prompt_tokens, completion_tokens, "
                "latency_s, created_at) VALUES ('k', 'judge', 'm', :raw, :raw, 1, 1, 0.5, 1700000000)"
            ),
            {"raw": b"{}"},
        )
        connection.execute(
            text(
                "INSERT INTO episodes (scope, pair, asof, id, due, known_at, state, record, outcome) "
                "VALUES (:scope, :pair, :asof, :id, :due, :known_at, :state, :record, :outcome)"
            ),
            {
                "scope": SCOPE,
                "pair": EPISODE.view.pair,
                "asof": int(EPISODE.view.asof.timestamp()),
                "id": EPISODE.id,
                "due": int(EPISODE.due.timestamp()),
                "known_at": int(EPISODE.outcome.known_at.timestamp()) if EPISODE.outcome else None,
                "state": b"\0" * 8,
                "record": record_to_json(EPISODE),
                "outcome": outcome_to_json(EPISODE.outcome) if EPISODE.outcome else None,
            },
        )
    engine.dispose()


def check_newest(url: str) -> None:
    """The tables are those of the schema, and what was stored is there."""
    database = Database(url)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    assert episodes_of(database, SCOPE) == (EPISODE,)
    store = AnswerStore(database)
    answer = store.get("k")
    assert answer is not None
    assert (answer.role, answer.response) == ("judge", b"{}")
    store.close()
    database.close()


PROMPT = ["judge", {"belief": "Zwölf — look.", "decision": "Small."}]
VERSION = hashlib.sha256(orjson.dumps(PROMPT, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def plant_prompts(url: str) -> None:
    """A version that was promoted twice, the first time in vain, as Agent Market wrote it before 0008."""
    create_at(url, "0007")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO prompts VALUES (:version, 'judge', :texts, 'abc', 1700000000)"),
            {"version": VERSION, "texts": orjson.dumps(PROMPT[1])},
        )
        for known_at, withdrawn_at in ((1_700_000_000, 1_700_000_500), (1_700_000_900, None)):
            connection.execute(
                text(
                    "INSERT INTO prompt_promotions (role, version, replaced, known_at, evidence, created_at, "
                    "withdrawn_at) VALUES ('judge', :version, 'own', :known_at, :evidence, 1, :withdrawn_at)"
                ),
                {
                    "version": VERSION,
                    "known_at": known_at,
                    "evidence": b'{"model":"m"}',
                    "withdrawn_at": withdrawn_at,
                },
            )
    engine.dispose()


def check_prompts(url: str) -> None:
    database = Database(url)
    prompt = read_prompt(database, VERSION)
    assert prompt == StoredPrompt(VERSION, "judge", PROMPT[1], "abc")
    first, second = promotions(database, "judge")
    assert first.prompt == second.prompt == prompt
    assert (first.ends, first.withdrawn_at) == (first.known_at, datetime.fromtimestamp(1_700_000_500, UTC))
    assert (second.ends, second.replaced, second.evidence) == (None, "own", {"model": "m"})
    assert {p.scope for p in (first, second)} == {""}
    promote(database, prompt, VERSION, second.known_at, {})
    assert len(promotions(database)) == 3
    database.close()


def test_prompts_of_earlier_versions_and_their_promotions_are_kept(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite"
    plant_prompts(url)
    check_prompts(url)


def test_prompts_of_earlier_versions_are_kept_on_postgresql(empty_postgres: str) -> None:
    plant_prompts(empty_postgres)
    check_prompts(empty_postgres)


def test_prompts_survive_the_way_back_to_the_version_before(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite"
    plant_prompts(url)
    Database(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0007")
        held = connection.execute(text("SELECT role, version, withdrawn_at FROM prompt_promotions")).all()
    engine.dispose()
    assert held == [("judge", VERSION, 1_700_000_500), ("judge", VERSION, None)]
    check_prompts(url)


def test_the_migrations_are_one_chain() -> None:
    assert [f"{n:04}" for n in range(1, len(VERSIONS) + 1)] == VERSIONS
    assert len(ScriptDirectory.from_config(_config()).get_heads()) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_store_of_every_version_is_brought_up_to_date_with_its_rows(version: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite"
    create_at(url, version)
    check_newest(url)
    check_newest(url)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_same_on_postgresql(version: str, empty_postgres: str) -> None:
    create_at(empty_postgres, version)
    check_newest(empty_postgres)


def test_summaries_are_filled_in_batches_and_a_damaged_row_stops_nothing(tmp_path: Path) -> None:
    check_filled(f"sqlite:///{tmp_path}/store.sqlite")


def test_summaries_are_filled_on_postgresql(empty_postgres: str) -> None:
    check_filled(empty_postgres)


def check_filled(url: str) -> None:
    """A store of 0007 with more episodes than one batch, notes on some of them, and jobs by name alone."""
    create_at(url, "0007")
    engine = create_engine(url)
    more = [an_episode(hour) for hour in range(100, 1_300)]
    buy = [
        replace(e, decision=replace(e.decision, action="buy"), verdict=replace(e.verdict, action="buy"))
        for e in more[:4]
    ]
    rows = [
        {
            "scope": SCOPE,
            "pair": e.view.pair,
            "asof": int(e.view.asof.timestamp()),
            "id": e.id,
            "due": 0,
            "state": b"",
            "record": record_to_json(e),
        }
        for e in (*buy, *more[4:])
    ]
    rows[-1]["record"] = b"{damaged"
    notes = [
        (buy[0].id, "fill", "live"),
        (buy[0].id, "refusal", "live"),
        (buy[1].id, "refusal", "live"),
        (buy[2].id, "fill", "backtest/AgentMarketQuantOnly"),
    ]
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO episodes (scope, pair, asof, id, due, state, record) "
                "VALUES (:scope, :pair, :asof, :id, :due, :state, :record)"
            ),
            rows,
        )
        for decision, kind, run in notes:
            connection.execute(
                text(
                    "INSERT INTO risk_notes (scope, run, decision, pair, kind, known_at, data) "
                    "VALUES (:scope, :run, :decision, 'x', :kind, 0, :raw)"
                ),
                {"scope": SCOPE, "run": run, "decision": decision, "kind": kind, "raw": b"{}"},
            )
        for name in ("job/costs", "backup"):
            connection.execute(
                text("INSERT INTO jobs (name, at, result) VALUES (:name, 1, :raw)"),
                {"name": name, "raw": b"{}"},
            )
    engine.dispose()
    database = Database(url)
    with database.begin() as connection:
        found = {row.id: row for row in connection.execute(select(episodes))}
    assert EPISODE.outcome is not None
    settled = found[EPISODE.id]
    assert (settled.depth, settled.allowed) == (EPISODE.decision.depth, EPISODE.verdict.depth)
    assert (settled.confidence, settled.regime) == (EPISODE.decision.confidence, EPISODE.view.regime)
    assert settled.market_return == EPISODE.outcome.market_return
    assert settled.reward == pytest.approx(EPISODE.outcome.reward(EPISODE.verdict.depth))
    assert [found[e.id].fate for e in buy] == ["traded", "refused", "not_traded", "not_traded"]
    assert {found[e.id].fate for e in more[4:-1]} == {"hold"}
    assert found[more[-1].id].fate is None
    assert found[more[5].id].market_return is None
    assert set(runs_of_all_scopes(database)) == {("live", "costs"), ("", "backup")}
    database.close()
