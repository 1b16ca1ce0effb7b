"""The config overlay."""

from __future__ import annotations

import json
from pathlib import Path

import ccxt

from agent_market.sandbox.endpoints import EXCHANGE_PORT, MODEL_PORT, overlay, write_overlay


def test_no_address_of_the_real_exchange_is_left() -> None:
    config = overlay("http://127.0.0.1:1")["exchange"]["ccxt_config"]
    addresses = ccxt.binance(config).urls["api"]
    assert set(addresses) == set(config["urls"]["api"])
    assert all(address.startswith("http://127.0.0.1:1/") for address in addresses.values())


def test_it_names_the_model_where_there_is_one() -> None:
    config = overlay("http://127.0.0.1:1", "http://127.0.0.1:2/")
    assert config["agent_market"] == {"llm": {"base_url": "http://127.0.0.1:2/v1"}}
    assert "agent_market" not in overlay("http://127.0.0.1:1")


def test_the_example_config_holds_the_overlay_of_the_default_ports(repository: Path) -> None:
    example = json.loads((repository / "config" / "sandbox.json").read_text())
    made = overlay(f"http://127.0.0.1:{EXCHANGE_PORT}", f"http://127.0.0.1:{MODEL_PORT}")
    assert made["exchange"].items() <= example["exchange"].items()
    assert made["agent_market"]["llm"].items() <= example["agent_market"]["llm"].items()


def test_it_is_written_as_json_into_a_folder_that_need_not_exist(tmp_path: Path) -> None:
    path = tmp_path / "user_data" / "sandbox_endpoints.json"
    write_overlay(path, "http://127.0.0.1:1", "http://127.0.0.1:2")
    assert json.loads(path.read_text()) == overlay("http://127.0.0.1:1", "http://127.0.0.1:2")
