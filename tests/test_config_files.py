"""The example configs: valid for freqtrade and for us, offline where they say so, and without secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from freqtrade.configuration import Configuration
from freqtrade.configuration.config_validation import validate_config_consistency
from freqtrade.enums import RunMode

from agent_market.config import SECTION, load_settings
from agent_market.sandbox.endpoints import overlay

NAMES = ("sandbox", "dryrun", "futures")
SECRET_KEYS = {"key", "secret", "password", "token", "chat_id", "jwt_secret_key", "ws_token", "username"}
# What the strategy adds before freqtrade validates for the last time.
FROM_STRATEGY = {"stoploss": -0.1, "minimal_roi": {"0": 0.2}}


@pytest.fixture(params=NAMES)
def file(request: pytest.FixtureRequest, repository: Path) -> Path:
    path: Path = repository / "config" / f"{request.param}.json"
    return path


def load(file: Path, user_data: Path, mode: RunMode, **args: str) -> dict[str, Any]:
    arguments = {"config": [str(file)], "user_data_dir": str(user_data), **args}
    return Configuration(arguments, mode).get_config()


def strings(value: object) -> list[tuple[str, str]]:
    """Every (key, text) in a config, at any depth."""
    if isinstance(value, dict):
        pairs = [(str(k), v) for k, v in value.items() if isinstance(v, str)]
        return pairs + [pair for v in value.values() for pair in strings(v)]
    return [pair for v in value for pair in strings(v)] if isinstance(value, list) else []


@pytest.mark.parametrize("mode", [RunMode.DRY_RUN, RunMode.BACKTEST, RunMode.HYPEROPT])
def test_freqtrade_accepts_it_for(mode: RunMode, file: Path, tmp_path: Path) -> None:
    args = {} if mode is RunMode.DRY_RUN else {"timerange": "20240101-20240601"}
    config = load(file, tmp_path, mode, **args) | FROM_STRATEGY
    validate_config_consistency(config)


def test_our_settings_are_valid_and_agree_with_freqai(file: Path) -> None:
    config = json.loads(file.read_text())
    settings = load_settings(config)
    features = config["freqai"]["feature_parameters"]
    assert features["label_period_candles"] == settings.decision.horizon_candles
    assert config["timeframe"] in features["include_timeframes"]


def test_training_is_repeatable(file: Path) -> None:
    freqai = json.loads(file.read_text())["freqai"]
    assert freqai["data_split_parameters"]["shuffle"] is False
    model = freqai["model_training_parameters"]
    assert (model["deterministic"], model["force_row_wise"]) == (True, True)
    assert isinstance(model["random_state"], int)


def test_it_trades_no_real_money_and_opens_no_door(file: Path) -> None:
    config = json.loads(file.read_text())
    assert config["dry_run"] is True
    assert config["telegram"]["enabled"] is False
    assert config["api_server"]["enabled"] is False
    assert config["api_server"]["listen_ip_address"] == "127.0.0.1"
    assert config["force_entry_enable"] is False


def test_it_holds_no_secret(file: Path) -> None:
    held = [(key, text) for key, text in strings(json.loads(file.read_text())) if key in SECRET_KEYS]
    assert {"key", "secret", "token", "password"} <= {key for key, _ in held}
    assert all(text == "" for _, text in held)


def test_secrets_come_from_the_environment(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREQTRADE__EXCHANGE__KEY", "from-environment")
    monkeypatch.setenv("FREQTRADE__API_SERVER__PASSWORD", "12345678")
    monkeypatch.setenv("FREQTRADE__AGENT_MARKET__LLM__BASE_URL", "http://127.0.0.1:9/v1")
    config = load(repository / "config" / "dryrun.json", tmp_path, RunMode.DRY_RUN)
    assert config["exchange"]["key"] == "from-environment"
    assert config["api_server"]["password"] == "12345678"
    assert load_settings(config).llm.base_url == "http://127.0.0.1:9/v1"


def test_the_sandbox_config_can_reach_nothing_but_loopback(repository: Path) -> None:
    config = json.loads((repository / "config" / "sandbox.json").read_text())
    found = [text for _, text in strings(config) if "://" in text]
    hosts = {urlsplit(text).hostname for text in found}
    assert hosts == {"127.0.0.1"}
    urls = set(config["exchange"]["ccxt_config"]["urls"]["api"])
    assert urls == set(overlay("http://127.0.0.1:1")["exchange"]["ccxt_config"]["urls"]["api"])


def test_the_overlay_of_a_running_sandbox_wins(repository: Path, tmp_path: Path) -> None:
    running = tmp_path / "overlay.json"
    running.write_text(json.dumps(overlay("http://127.0.0.1:1111", "http://127.0.0.1:2222")))
    files = [str(repository / "config" / "sandbox.json"), str(running)]
    config = Configuration({"config": files, "user_data_dir": str(tmp_path)}, RunMode.DRY_RUN).get_config()
    ports = {urlsplit(url).port for url in config["exchange"]["ccxt_config"]["urls"]["api"].values()}
    assert ports == {1111}
    assert config[SECTION]["llm"]["base_url"] == "http://127.0.0.1:2222/v1"


def test_the_futures_config_trades_isolated_perpetuals(repository: Path) -> None:
    config = json.loads((repository / "config" / "futures.json").read_text())
    assert (config["trading_mode"], config["margin_mode"]) == ("futures", "isolated")
    assert all(pair.endswith("/USDT:USDT") for pair in config["exchange"]["pair_whitelist"])
