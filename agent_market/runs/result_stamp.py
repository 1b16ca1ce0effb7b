"""What decides a backtest's result, stamped where freqtrade's own result cache looks.

`freqtrade backtesting` reuses a result of the last day where config and strategy file are the same
(`--cache day`).  It knows nothing of candles, of what was taught, of promoted prompts, mined factors or our
own code.  So a strategy leaves one digest of all these in its config when it is made, before freqtrade
hashes that config, and outside `freqai`, which FreqAI writes to disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from freqtrade.enums import RunMode

from agent_market.books import shelf_digests
from agent_market.runs.data_digest import ALL_SERIES_KEY, candle_digests
from agent_market.runs.identity import LIVE_PREDICTIONS, package_digest, versions
from agent_market.runs.knowledge import earlier_episodes_digest, embedder_digest, forgotten_digest
from agent_market.runs.user_code import refused, whole_code, whole_file

STAMP = "agent_market_digest"
"""Config key of the digest."""


def stamp_result(config: dict[str, Any], strategy: object) -> None:
    """Leave a digest of everything that decides a backtest in its config; nothing in other run modes.

    :param config: the strategy's config, as freqtrade hands it over; candles are read from its `datadir`.
    :raises AgentMarketError: the store or a setting cannot be read.
    """
    if config.get("runmode") != RunMode.BACKTEST:
        return
    user_data = config.get("user_data_dir")
    own, model = whole_code([type(strategy)], user_data), _model_code(config)
    seen = {**config, ALL_SERIES_KEY: own.reads_candles or model.reads_candles}
    parts = {
        "code": package_digest(),
        "packages": versions(),
        "strategy": own.digest + refused(own),
        "model": model.digest + refused(model),
        "candles": candle_digests(seen).through,
        "books": shelf_digests(config),
        "embedder": embedder_digest(config),
        "forgotten": forgotten_digest(config),
        "earlier episodes": earlier_episodes_digest(config),
        "live predictions": _live_predictions(config),
    }
    config[STAMP] = hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _model_code(config: Mapping[str, Any]) -> Any:
    """The user's file of the FreqAI model, which freqtrade has not loaded yet; one of its own has none."""
    name = config.get("freqaimodel")
    folders = [config.get("freqaimodel_path"), Path(config["user_data_dir"]) / "freqaimodels"]
    for folder in (Path(place) for place in folders if place and name):
        for file in sorted(folder.glob("*.py")):
            if f"class {name}(" in file.read_text(encoding="utf-8", errors="replace"):
                return whole_file(file.resolve(), config.get("user_data_dir"))
    return whole_code([])


def _live_predictions(config: Mapping[str, Any]) -> str:
    """Hash of the predictions that a live bot left, for `--freqai-backtest-live-models`; else empty."""
    if not config.get("freqai_backtest_live_models"):
        return ""
    folder = Path(config["user_data_dir"]) / "models" / str(config["freqai"].get("identifier"))
    file = folder / LIVE_PREDICTIONS
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file.is_file() else ""
