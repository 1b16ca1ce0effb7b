"""Where a question is answered from: settings, folder, scope and the open store."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freqtrade.enums import TRADE_MODES
from sqlalchemy.engine import make_url

from agent_market.config import AgentMarketSettings, load_settings
from agent_market.errors import DataError
from agent_market.runs.folders import control_folder
from agent_market.runs.manifest import FOLDER, LATEST, RunManifest, read_manifest
from agent_market.store.database import Database, store_url

LIVE_SCOPE = "live"

_stores: dict[str, Database] = {}
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class RunContext:
    """Settings and places of one bot or run; `scope` names its decisions. The store is opened when asked."""

    settings: AgentMarketSettings
    user_data: Path
    folder: Path
    scope: str
    url: str

    @property
    def is_bots(self) -> bool:
        """Whether these are the decisions of the bot that writes the risk journal in `folder`."""
        return self.scope == (self.settings.memory.scope or LIVE_SCOPE)

    @property
    def database(self) -> Database:
        """The store; opened once a process.

        :raises DataError: there is none yet.
        :raises StoreError: it cannot be opened.
        """
        with _lock:
            if self.url not in _stores:
                parsed = make_url(self.url)
                name = parsed.database
                if parsed.get_backend_name() == "sqlite" and name and not Path(name).exists():
                    raise DataError("there is no store yet; it begins with the first decision")
                _stores[self.url] = Database(self.url)
            return _stores[self.url]


def open_source(config: Mapping[str, Any], scope: str | None = None) -> RunContext:
    """The source of freqtrade's merged config: a running bot's own, else that of the newest run.

    :param scope: another bot's or backtest's decisions instead.
    :raises ConfigError: the section `agent_market` is wrong.
    """
    settings = load_settings(config)
    user_data = Path(config["user_data_dir"])
    own = settings.memory.scope or LIVE_SCOPE
    is_bot = config.get("runmode") in TRADE_MODES
    found = None if is_bot and scope in (None, own) else _manifest(user_data, scope)
    return RunContext(
        settings=settings,
        user_data=user_data,
        folder=control_folder(settings.bot.folder, user_data),
        scope=scope or (found.scope if found else own),
        url=store_url(found.store_url if found else settings.store.url, user_data),
    )


def own_source(config: Mapping[str, Any], identifier: str) -> RunContext:
    """The source of the backtest that runs in this process; `identifier` is FreqAI's.

    :raises ConfigError: the section `agent_market` is wrong.
    """
    settings = load_settings(config)
    user_data = Path(config["user_data_dir"])
    return RunContext(
        settings=settings,
        user_data=user_data,
        folder=control_folder(settings.bot.folder, user_data),
        scope=settings.memory.scope or identifier,
        url=store_url(settings.store.url, user_data),
    )


def runs_of(user_data: Path) -> tuple[RunManifest, ...]:
    """Every run that was noted in `user_data`, newest first; files that cannot be read are left out."""
    files = [f for f in (user_data / FOLDER).glob("*.json") if f.name != LATEST]
    found = []
    for file in sorted(files, key=lambda f: f.stat().st_mtime, reverse=True):
        try:
            found.append(read_manifest(file))
        except DataError:
            continue
    return tuple(found)


def _manifest(user_data: Path, scope: str | None) -> RunManifest | None:
    """By name among those that are there, never by a path that a caller made up."""
    return next((run for run in runs_of(user_data) if scope in (None, run.scope)), None)
