"""Pytest fixtures for a sandbox: `pytest_plugins = ["agent_market.sandbox.pytest_plugin"]` in a conftest.

A test module changes the market by defining its own fixture `sandbox_market`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from agent_market.sandbox.endpoints import overlay
from agent_market.sandbox.exchange import create_exchange_app
from agent_market.sandbox.exchange.counting import RequestCounts
from agent_market.sandbox.faults import FaultRegistry
from agent_market.sandbox.market import Market, StandingMarket, SyntheticSource
from agent_market.sandbox.model import create_model_app
from agent_market.sandbox.server import running


@dataclass(frozen=True, slots=True)
class SandboxExchange:
    """A running exchange: its URL, its market, and what it was asked so far."""

    url: str
    market: Market
    requests: RequestCounts


@pytest.fixture
def sandbox_market() -> Market:
    """Five synthetic pairs over the first quarter of 2024, standing at its end."""
    start, end = (int(datetime(2024, month, 1, tzinfo=UTC).timestamp() * 1000) for month in (1, 4))
    return StandingMarket(SyntheticSource(seed=7, start=start, end=end))


@pytest.fixture
def sandbox_board() -> FaultRegistry:
    """The switchboard of faults that exchange and model share; nothing is wrong to begin with."""
    return FaultRegistry()


@pytest.fixture
def sandbox_exchange(sandbox_market: Market, sandbox_board: FaultRegistry) -> Iterator[SandboxExchange]:
    """A running exchange over `sandbox_market`."""
    app = create_exchange_app(sandbox_market, sandbox_board)
    with running(app) as url:
        yield SandboxExchange(url, sandbox_market, app.state.requests)


@pytest.fixture
def sandbox_model(sandbox_board: FaultRegistry) -> Iterator[str]:
    """URL of a running model server, without `/v1`."""
    with running(create_model_app(sandbox_board)) as url:
        yield url


@pytest.fixture
def sandbox_config(sandbox_exchange: SandboxExchange, sandbox_model: str) -> dict[str, Any]:
    """The freqtrade config overlay of both."""
    return overlay(sandbox_exchange.url, sandbox_model)
