"""Promoted prompts are part of a backtest's identity, as far as its decisions may see them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from freqtrade.enums import RunMode

from agent_market.agents.roles import ROLES
from agent_market.agents.tuning.versions import prompt_version, version_of
from agent_market.books import shelf_digests
from agent_market.runs.identity import derive_identifier
from agent_market.store.database import Database
from agent_market.store.prompts import StoredPrompt, promote, roll_back


def digest_of_prompts(config: Mapping[str, Any]) -> str:
    return shelf_digests(config, ("prompts",))["prompts"]


TEXTS = {"belief": "Follow volume.", "decision": "Decide."}
OWN = version_of(next(role for role in ROLES if role.name == "aggressive")) or ""


class Model:
    pass


def config(folder: Path, timerange: str = "20240101-20240601", **more: Any) -> dict[str, Any]:
    return {"user_data_dir": folder, "timerange": timerange, "freqai": {"identifier": "mine"}, **more}


@pytest.fixture
def store(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path}/agent_market.sqlite")


def put_in_force(store: Database, known_at: datetime) -> None:
    prompt = StoredPrompt(prompt_version("aggressive", TEXTS), "aggressive", TEXTS, OWN)
    promote(store, prompt, OWN, known_at, {"model": "heuristic"})


def test_a_promotion_within_the_span_makes_another_run_and_a_rollback_the_old_one(
    tmp_path: Path, store: Database
) -> None:
    before = derive_identifier(config(tmp_path), Model)
    put_in_force(store, datetime(2024, 3, 1, tzinfo=UTC))
    assert derive_identifier(config(tmp_path), Model) != before
    roll_back(store, "aggressive")
    assert derive_identifier(config(tmp_path), Model) == before


def test_a_promotion_after_the_span_changes_nothing(tmp_path: Path, store: Database) -> None:
    before = derive_identifier(config(tmp_path), Model)
    put_in_force(store, datetime(2024, 7, 1, tzinfo=UTC))
    assert derive_identifier(config(tmp_path), Model) == before
    assert digest_of_prompts(config(tmp_path, "20240101-")) != ""


def test_a_live_bot_trains_nothing_anew_for_a_prompt(tmp_path: Path, store: Database) -> None:
    put_in_force(store, datetime(2024, 3, 1, tzinfo=UTC))
    assert digest_of_prompts(config(tmp_path, runmode=RunMode.DRY_RUN)) == ""


def test_a_missing_store_is_not_created_for_it(tmp_path: Path) -> None:
    assert digest_of_prompts(config(tmp_path)) == ""
    assert not list(tmp_path.iterdir())


def test_how_prompts_are_tuned_does_not_make_another_run(tmp_path: Path, store: Database) -> None:
    tuned = config(tmp_path, agent_market={"tuning": {"proposals": 3}})
    assert derive_identifier(tuned, Model) == derive_identifier(config(tmp_path, agent_market={}), Model)
