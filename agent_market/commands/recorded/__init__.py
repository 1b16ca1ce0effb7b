"""Open config, store and recorded decisions for commands that reread them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_market.config import AgentMarketSettings
    from agent_market.records import Episode
    from agent_market.store.database import Database


@dataclass(frozen=True, slots=True)
class Recorded:
    """The settings of a config, and the decisions of one scope of its store, in order of time."""

    settings: AgentMarketSettings
    user_data: Path
    scope: str
    database: Database
    episodes: tuple[Episode, ...]
    pairs: tuple[str, ...] = ()

    @property
    def glossary(self) -> dict[str, str]:
        """Meaning of each feature by name, as the prompts of the run held them."""
        from agent_market.features.features import FEATURES

        return {spec.name: spec.meaning for spec in FEATURES}

    def before(self, episode: Episode) -> Iterator[Episode]:
        """Decisions on the pair of `episode` before it, newest first."""
        return (
            e
            for e in reversed(self.episodes)
            if e.view.asof < episode.view.asof and e.view.pair == episode.view.pair
        )


@contextmanager
def recorded(
    userdir: Path, config: Sequence[Path] | None, scope: str | None, with_episodes: bool = True
) -> Iterator[Recorded]:
    """Open what a config and a scope name.

    :param config: config files, as for freqtrade; None takes config.json of the user_data directory.
    :param scope: a run or bot; None takes the newest run.
    :raises ConfigError: freqtrade or Agent Market refuses the config.
    :raises DataError: there has been no run, or the scope holds no decisions.
    """
    import logging

    from agent_market.commands.checks.settings import load_config
    from agent_market.config import load_settings
    from agent_market.errors import ConfigError, DataError
    from agent_market.runs.manifest import latest_manifest
    from agent_market.store.database import Database, store_url
    from agent_market.store.episodes import episodes_of, scopes_of
    from agent_market.universe import universe_of

    logging.disable(logging.WARNING)  # freqtrade logs each step of loading a config
    try:
        loaded, finding = load_config(config or [userdir / "config.json"], userdir)
    finally:
        logging.disable(logging.NOTSET)
    if loaded is None:
        raise ConfigError(f"{finding.detail}; name your config with -c")
    settings = load_settings(loaded)
    database = Database(store_url(settings.store.url, userdir))
    try:
        name = scope or settings.memory.scope or (latest_manifest(userdir).scope if with_episodes else "")
        episodes = episodes_of(database, name) if with_episodes else ()
        if with_episodes and not episodes:
            known = ", ".join(scopes_of(database)) or "none"
            raise DataError(f"no decisions in scope {name!r}; the store holds those of: {known}")
        pairs = universe_of(loaded)
        yield Recorded(settings, userdir, name, database, episodes, pairs)
    finally:
        database.close()
