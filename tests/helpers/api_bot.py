"""A dry bot with freqtrade's real API server on loopback, decisions in its store, and planted secrets."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from agent_market.queries.risk_log import risk_log_of
from agent_market.records import Clamp, Debate, DebateTurn, Episode, RiskResult
from agent_market.store.database import Database
from agent_market.store.episodes import write_episodes
from agent_market.store.spend import SpendRow, write_spend
from tests.helpers.dry_bot import DryBot, dry_bot
from tests.helpers.episode_makers import an_episode, an_outcome

USER, PASSWORD = "anna", "planted-password-1"
SECRETS = {
    "jwt": "planted-jwt-secret-2-and-long-enough-for-hs256",
    "ws": "planted-ws-token-3",
    "exchange": "planted-exchange-key-4",
    "store": "planted-store-password-5",
    "llm": "planted-llm-key-6",
    "password": PASSWORD,
}
AUTH = (USER, PASSWORD)
TRADED = "BTC/USDT@now"


def free_port() -> int:
    """A port that nobody listens at; freqtrade takes no 0."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def api_section(port: int) -> dict[str, Any]:
    return {
        "enabled": True,
        "listen_ip_address": "127.0.0.1",
        "listen_port": port,
        "username": USER,
        "password": PASSWORD,
        "jwt_secret_key": SECRETS["jwt"],
        "ws_token": SECRETS["ws"],
        "verbosity": "info",
        "CORS_origins": [],
    }


def wanted(episode: Episode, name: str | None = None) -> Episode:
    """The same, but its committee wants to buy."""
    decision = replace(episode.decision, action="buy", id=name or episode.id)
    return replace(episode, decision=decision, verdict=RiskResult(episode.decision.depth, "buy"))


def planted() -> list[Episode]:
    """One of each fate: hold, clamped, not traded (and debated), traded, and one for ETH."""
    clamp = Clamp("turbulence", 0.99, 1.0, 4.0, 0.0)
    debate = Debate("wide dispersion", (DebateTurn("quant", "proposal", 0, ("buy it",), 4.0, 0.5),), "agreed")
    depths = {"quant": 6.0, "aggressive": 2.0}
    return [
        an_episode(
            0,
            depths={"quant": 0.0},
            scope="live",
            outcome=an_outcome(12, 0.02),
            belief="a breakout above the yearly high looms with rising volume",
        ),
        replace(
            wanted(an_episode(1, depths=depths, scope="live")), verdict=RiskResult(0.0, "hold", (clamp,))
        ),
        replace(wanted(an_episode(2, depths=depths, scope="live")), debate=debate),
        wanted(an_episode(3, depths=depths, scope="live"), TRADED),
        wanted(an_episode(4, depths=depths, scope="live", pair="ETH/USDT")),
    ]


def fill_store(user_data: Path) -> Database:
    """The bot's own store, with the planted decisions and one request that cost a quarter of a unit."""
    database = Database(f"sqlite:///{user_data}/agent_market.sqlite")
    write_episodes(database, planted())
    row = SpendRow(1, "run", "x", "quant", "m", "http://127.0.0.1", "k", 100, 20, 250_000_000, "usage")
    write_spend(database, [row])
    return database


@dataclass
class ApiBot:
    """The bot, its store, and a client that is logged in."""

    dry: DryBot
    store: Database
    client: httpx.Client
    url: str

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of one route of ours, which must answer."""
        answer = self.client.get(f"/api/v1/agents/{path}", params=params)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    def noted(self, kind: str, pair: str, decision: str, **data: Any) -> None:
        """Put a line into the risk journal and wait until its own thread, or this one, has written it."""
        log = risk_log_of(self.dry.attachment.control.folder)
        before = log.count
        self.dry.attachment.journal.note(kind, pair, f"tag {decision}", **data)
        deadline = time.monotonic() + 30
        while log.count == before and time.monotonic() < deadline:
            self.dry.attachment.journal.flush()
            time.sleep(0.01)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = self.client.post(f"/api/v1/agents/{path}", json=body or {})
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()


@contextmanager
def api_bot(folder: Path) -> Iterator[ApiBot]:
    """A bot that trades nothing until `dry.process()` is called."""
    store = fill_store(folder)
    port = free_port()
    changes = {
        "api_server": api_section(port),
        "exchange": {"key": SECRETS["exchange"], "secret": SECRETS["exchange"]},
    }
    url = f"http://127.0.0.1:{port}"
    with dry_bot(folder, changes) as dry, httpx.Client(base_url=url, auth=AUTH, timeout=30) as client:
        yield ApiBot(dry, store, client, url)
    store.close()
