"""The config of the bot that a worker works for."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent_market.commands.checks.settings import load_config
from agent_market.errors import ConfigError

USER_DATA = Path("user_data")


def bot_config(
    files: Sequence[Path], userdir: Path | None, db_url: str | None = None, datadir: Path | None = None
) -> dict[str, Any]:
    """Merged as freqtrade does; without files, config.json in the user_data directory.

    :param db_url: as on the bot's command line; so is `datadir`.
    :raises ConfigError: freqtrade would refuse it.
    """
    chosen = list(files) or [(userdir or USER_DATA) / "config.json"]
    missing = [str(file) for file in chosen if not file.is_file()]
    if missing:
        raise ConfigError(f"there is no config {', '.join(missing)}; name the bot's with --config")
    logging.disable(logging.WARNING)  # freqtrade logs each step of loading a config
    try:
        config, finding = load_config(chosen, userdir)
    finally:
        logging.disable(logging.NOTSET)
    if config is None:
        raise ConfigError(finding.detail)
    if db_url is not None:
        config["db_url"] = db_url
    if datadir is not None:
        config["datadir"] = datadir
    return config
