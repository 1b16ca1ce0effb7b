"""The manifest of a run: written at its start, read by reports and to rerun it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from agent_market.errors import DataError
from agent_market.utils.durable import replace_bytes
from agent_market.utils.redaction import without_password

FOLDER = Path("agent_market") / "runs"
LATEST = "latest.json"


@dataclass(frozen=True, slots=True)
class RunManifest:
    """One run of `AgentEnsemble`: where its decisions lie, and what they were made from."""

    scope: str
    identifier: str
    runmode: str
    pairs: tuple[str, ...]
    timeframe: str
    timerange: str
    agents: tuple[str, ...]
    llm_model: str
    llm_mode: str
    fee: float
    slippage: float
    horizon_candles: int
    store_url: str
    version: str


_READER = TypeAdapter(RunManifest)


def write_manifest(manifest: RunManifest, user_data: Path) -> Path:
    """Write `<user_data>/agent_market/runs/<scope>.json` and `latest.json`, each atomically.

    The password of a database server is left out; who reads has it in `PGPASSWORD` or `~/.pgpass`.
    """
    manifest = replace(manifest, store_url=without_password(manifest.store_url))
    folder = user_data / FOLDER
    packed = orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
    for name in (f"{manifest.scope}.json", LATEST):
        replace_bytes(folder / name, packed + b"\n")
    return folder / f"{manifest.scope}.json"


def read_manifest(file: Path) -> RunManifest:
    """Read one manifest.

    :raises DataError: the file is absent or not a manifest.
    """
    try:
        return _READER.validate_json(file.read_bytes())
    except FileNotFoundError as error:
        raise DataError(
            f"no run found at {file}; run `freqtrade backtesting` with our model first"
        ) from error
    except ValidationError as error:
        raise DataError(
            f"{file} is not a run manifest ({error}); delete it and run the backtest again"
        ) from error


def latest_manifest(user_data: Path) -> RunManifest:
    """The manifest of the newest run in this user_data folder.

    :raises DataError: there has been none.
    """
    return read_manifest(user_data / FOLDER / LATEST)
