"""The freqtrade config overlay that points a bot at a running sandbox.

    freqtrade download-data -c config/sandbox.json -c user_data/sandbox_endpoints.json ...

It holds what is only known at run time, the addresses, and what makes freqtrade keep to them. One overlay
serves spot and futures: for USDT perpetuals the config before it says `"trading_mode": "futures"`,
`"margin_mode": "isolated"` and names pairs such as "BTC/USDT:USDT". For dry-run orders that fill at once it
wants `"price_side": "other"` and `"use_order_book": true` in both pricing sections.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from agent_market.config import SECTION

EXCHANGE_PORT = 18080
MODEL_PORT = 18081
"""The ports that `config/sandbox.json` names, and that `agent-market sandbox` takes by default."""

# Where ccxt looks for each part of Binance. All of them, since ccxt keeps the real address of any that is
# left out: a bot that points here must not be able to reach the real exchange.
_API_PATHS = {
    "public": "api/v3",
    "private": "api/v3",
    "v1": "api/v1",
    "sapi": "sapi/v1",
    "sapiV2": "sapi/v2",
    "sapiV3": "sapi/v3",
    "sapiV4": "sapi/v4",
    "fapiPublic": "fapi/v1",
    "fapiPublicV2": "fapi/v2",
    "fapiPublicV3": "fapi/v3",
    "fapiPrivate": "fapi/v1",
    "fapiPrivateV2": "fapi/v2",
    "fapiPrivateV3": "fapi/v3",
    "fapiData": "futures/data",
    "dapiPublic": "dapi/v1",
    "dapiPrivate": "dapi/v1",
    "dapiPrivateV2": "dapi/v2",
    "dapiData": "futures/data",
    "eapiPublic": "eapi/v1",
    "eapiPrivate": "eapi/v1",
    "papi": "papi/v1",
    "papiV2": "papi/v2",
}

# Spot must hold "/stream", futures must not: ccxt tells the venue of a message by its address.
_WS_PATHS = {
    "spot": "stream/ws",
    "margin": "stream/ws",
    "linear": "fstream/ws",
    "inverse": "dstream/ws",
    "stock": "equity/ws",
    "option": "option/public/ws",
    "optionMarket": "option/market/ws",
    "optionPrivate": "option/private/ws",
    "papi": "papi/ws",
}


def overlay(
    exchange_url: str, model_url: str | None = None, telegram_url: str | None = None
) -> dict[str, Any]:
    """The overlay for a sandbox at these base URLs ("http://127.0.0.1:PORT").

    :param model_url: of the model server, without `/v1`; None leaves the config's own.
    :param telegram_url: of the Telegram server, without `/bot`; None leaves the config's own.
    """
    base = exchange_url.rstrip("/")
    config: dict[str, Any] = {
        "exchange": {
            "name": "binance",
            "only_from_ccxt": True,  # else short candles are first sought in Binance's public archive
            "enable_ws": False,
            "ccxt_config": {
                "enableRateLimit": False,
                "options": {
                    "fetchMarkets": {"types": ["spot", "linear"]},
                    "fetchCurrencies": False,
                    "fetchMargins": False,
                },
                "urls": {"api": {name: f"{base}/{path}" for name, path in _API_PATHS.items()}},
            },
        }
    }
    if model_url is not None:
        config[SECTION] = {"llm": {"base_url": f"{model_url.rstrip('/')}/v1"}}
    if telegram_url is not None:
        telegram = {"base_url": f"{telegram_url.rstrip('/')}/bot"}
        config.setdefault(SECTION, {})["bot"] = {"telegram": telegram}
    return config


def stream_addresses(exchange_url: str) -> dict[str, Any]:
    """Where ccxt.pro finds the sandbox's streams: `urls.api.ws` of its configuration, every venue included.

    It is no part of `overlay`: freqtrade's own use of WebSockets is for candles, which are not streamed here.
    """
    base = exchange_url.rstrip("/").replace("http", "ws", 1)
    ws_api = {name: f"{base}/ws-api/{name}" for name in ("spot", "linear", "inverse")}
    return {**{name: f"{base}/{path}" for name, path in _WS_PATHS.items()}, "ws-api": ws_api}


def write_overlay(
    path: Path, exchange_url: str, model_url: str | None = None, telegram_url: str | None = None
) -> None:
    """Write the overlay as JSON, in place of an earlier one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        orjson.dumps(overlay(exchange_url, model_url, telegram_url), option=orjson.OPT_INDENT_2) + b"\n"
    )
