"""Warnings about the origin of a result: which market it traded, and which model took part."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

RULES_MODEL = "heuristic"
SYNTHETIC_NOTE = "market: synthetic"
RECORDED_NOTE = "market: recorded candles"


def warnings_of(model: str, config: Mapping[str, Any], notes: str, is_signed: bool = True) -> tuple[str, ...]:
    """Statements that belong at the top of every result, loudest first; empty for a real model and market.

    :param model: the model name of the settings.
    :param config: the freqtrade config that the result was made with.
    :param is_signed: whether every answer under the rules' name carries the sandbox's signature.
    :param notes: freqtrade's `--notes` of the result, where the flow writes which market it served.
    """
    found = []
    if notes.startswith(SYNTHETIC_NOTE):
        found.append(
            "Synthetic market: these prices never were. Nothing here says anything about real trading."
        )
    elif is_loopback_exchange(config) and not notes.startswith(RECORDED_NOTE):
        found.append(
            "The exchange was a server on this machine (the sandbox). Unless it served recorded candles its "
            "market is synthetic, and nothing here says anything about real trading."
        )
    if not is_signed:
        found.append(
            "An unknown model took part: it answers to the name “heuristic” and does not carry the signature "
            "of the sandbox's rules. What it is, and what it knows of the span, is not known."
        )
    elif model == RULES_MODEL:
        found.append(
            "No language model took part: the model “heuristic” is a fixed set of rules that lets everything "
            "run without a key. No figure here is the result of a language model."
        )
    if config.get("agent_market", {}).get("factors", {}).get("hindsight", False):
        found.append(
            "Factors in hindsight: `agent_market.factors.hindsight` is on, so the model may have traded on "
            "factors that were chosen with the data of this very backtest. The result is not evidence."
        )
    return tuple(found)


def is_loopback_exchange(config: Mapping[str, Any]) -> bool:
    """Whether the config's exchange URLs point at this machine."""
    exchange = config.get("exchange", {})
    for key in ("ccxt_config", "ccxt_sync_config", "ccxt_async_config"):
        url = exchange.get(key, {}).get("urls", {}).get("api", {})
        hosts = url.values() if isinstance(url, Mapping) else [url]
        if any(isinstance(host, str) and _is_loopback(host) for host in hosts):
            return True
    return False


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
