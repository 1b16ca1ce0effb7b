"""The config and the strategy file of a dry-run bot on a sandbox exchange."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent_market.sandbox.endpoints import overlay

PAIRS = ("BTC/USDT", "ETH/USDT", "BNB/USDT", "SOL/USDT", "XRP/USDT")
WALLET = 10_000.0
THIN_BOOKS = {"volume_share": 1.0, "depth_share": 1.0, "depth_band": 0.5, "max_spread": 0.1}
"""Liquidity limits under which the synthetic market's thin books never bind: other limits are to be seen."""


def write_config(
    folder: Path,
    url: str,
    risk: Mapping[str, Any],
    strategy: str,
    section: Mapping[str, Any],
    changes: Mapping[str, Any],
) -> Path:
    """Config and strategy file of a dry-run bot under `folder`; returns the config."""
    (folder / "strategies").mkdir(parents=True, exist_ok=True)
    source = (
        f"from agent_market.stress.strategies import {strategy} as _Base\n\n\n"
        f"class {strategy}(_Base):\n    pass\n"
    )
    (folder / "strategies" / "stressed.py").write_text(source)
    config = {
        **dry_run_config(strategy, url),
        "internals": {"process_throttle_secs": 1},
        "db_url": f"sqlite:///{folder / 'trades.sqlite'}",
        "agent_market": {"risk": {"liquidity": THIN_BOOKS, **risk}, **section},
        **changes,
    }
    file = folder / "config.json"
    file.write_text(json.dumps(config, indent=1))
    return file


def dry_run_config(strategy: str, url: str) -> dict[str, Any]:
    """What freqtrade needs for a dry-run on the spot pairs of a sandbox exchange; orders fill at once."""
    pricing = {"price_side": "other", "use_order_book": True, "order_book_top": 1}
    endpoints = overlay(url)
    return {
        "strategy": strategy,
        "stake_currency": "USDT",
        "stake_amount": 1_000,
        "max_open_trades": len(PAIRS),
        "dry_run": True,
        "dry_run_wallet": WALLET,
        "tradable_balance_ratio": 1.0,
        "trading_mode": "spot",
        "margin_mode": "",
        "entry_pricing": pricing,
        "exit_pricing": pricing,
        "pairlists": [{"method": "StaticPairList"}],
        "initial_state": "running",
        "force_entry_enable": True,
        "fiat_display_currency": "",
        **endpoints,
        "exchange": {**endpoints["exchange"], "pair_whitelist": list(PAIRS)},
    }
