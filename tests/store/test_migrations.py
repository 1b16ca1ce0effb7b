"""From every earlier version of the schema to the newest, with rows in it; on SQLite and PostgreSQL."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from agent_market.store.answers import AnswerStore
from agent_market.store.database import MIGRATIONS, Database
from agent_market.store.episode_json import outcome_to_json, record_to_json
from agent_market.store.episodes import episodes_of
from agent_market.store.prompts import StoredPrompt, promote, promotions, read_prompt
from agent_market.store.schema import metadata
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
