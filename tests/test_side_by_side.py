"""Three dry-run bots of docker-compose.yml: apart from each other, and watched from one FreqUI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from freqtrade.commands import Arguments
from freqtrade.configuration import Configuration
from freqtrade.enums import RunMode

from agent_market.agents.roles import role_table
from agent_market.agents.rule_agents import RULE_AGENTS
from agent_market.config import load_settings
from agent_market.runs.folders import control_folder
from agent_market.store.database import store_url
from tests.helpers.compose import BOTS, GIVEN, compose, service

AGENTS = {
    "aggressive": ["aggressive"],
    "conservative": ["conservative"],
    "ensemble": ["aggressive", "conservative", "quant", "memory", *RULE_AGENTS, "judge"],
}


@pytest.fixture
def merged(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """Each bot's config, as freqtrade's own command line and `Configuration` merge it."""
    monkeypatch.setattr("freqtrade.configuration.configuration.setup_logging", lambda config: None)
    monkeypatch.chdir(tmp_path)  # where the image starts: /freqtrade
    (tmp_path / "user_data").mkdir()
    (tmp_path / "config").symlink_to(repository / "config")
    found = {}
    for name in BOTS:
        bot = service(repository, name, tmp_path)
        for key, value in bot.environment.items():
            monkeypatch.setenv(key, value)
        arguments = Arguments(bot.arguments).get_parsed_arg()
        found[name] = Configuration(arguments, RunMode.DRY_RUN).get_config()
    return found


def test_each_asks_its_own_agents_under_the_same_limits(merged: dict[str, dict[str, Any]]) -> None:
    settings = {name: load_settings(config) for name, config in merged.items()}
    assert {n: [r.name for r in role_table(s.agents)] for n, s in settings.items()} == AGENTS
    one, *others = (s.risk for s in settings.values())
    assert all(other == one for other in others)


def test_no_file_or_folder_that_is_written_is_shared(merged: dict[str, dict[str, Any]]) -> None:
    for places in (
        {config["db_url"] for config in merged.values()},
        {config["logfile"] for config in merged.values()},
        {config["datadir"] for config in merged.values()},
        {config["freqai"]["identifier"] for config in merged.values()},
        {load_settings(config).memory.scope for config in merged.values()},
        {store_url(load_settings(config).store.url, config["user_data_dir"]) for config in merged.values()},
        {
            control_folder(load_settings(config).bot.folder, config["user_data_dir"])
            for config in merged.values()
        },
    ):
        assert len(places) == len(BOTS), places


def test_one_frequi_may_ask_all_three(merged: dict[str, dict[str, Any]], repository: Path) -> None:
    ports = [service(repository, name, Path()).port for name in BOTS]
    assert len({8080, *ports}) == 4, "beside the single bot"
    wanted = {f"http://{host}:{port}" for host in ("127.0.0.1", "localhost") for port in ports}
    for name, config in merged.items():
        assert set(config["api_server"]["CORS_origins"]) == wanted, name
        assert config["bot_name"] == name, "FreqUI's lists show it"


def test_they_simulate_orders_and_their_files_hold_no_secret(
    merged: dict[str, dict[str, Any]], repository: Path
) -> None:
    for name, config in merged.items():
        assert config["dry_run"] is True
        assert config["api_server"]["password"] == GIVEN["API_PASSWORD"]
        assert config["api_server"]["jwt_secret_key"] == GIVEN["API_JWT_SECRET"]
        own = json.loads((repository / "config" / f"bot_{name}.json").read_text())
        assert set(own["api_server"]) == {"CORS_origins"}
        assert not {"exchange", "telegram", "dry_run"} & set(own)


def test_a_plain_up_starts_the_single_bot_alone(repository: Path) -> None:
    services = compose(repository)["services"]
    assert set(services) == {"bot", *BOTS}
    assert [name for name, found in services.items() if not found.get("profiles")] == ["bot"]
