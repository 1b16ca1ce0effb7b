"""The record of a finished step, in its folder: digests of its inputs and products.

A folder with a record is complete: it is renamed into place after the record is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from agent_market.flow.files import digest_of_file, digest_of_values

RECORD = "step.json"


@dataclass(frozen=True, slots=True)
class StepRecord:
    """`inputs` name -> digest; `products` file -> sha256; `run` is the run that made it."""

    step: str
    round: int
    run: str
    inputs: Mapping[str, str]
    products: Mapping[str, str]
    seconds: float
    words: str

    @property
    def key(self) -> str:
        """Digest of the step and its inputs; equal keys mean equal inputs."""
        return digest_of_values([self.step, dict(self.inputs)])

    @property
    def digest(self) -> str:
        """Digest of the products."""
        return digest_of_values(dict(self.products))


_READER = TypeAdapter(StepRecord)


def products_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return file -> sha256 of a step's products; a missing file has the digest "absent"."""
    return {name: digest_of_file(folder / name) if (folder / name).is_file() else "absent" for name in names}


def write_record(folder: Path, record: StepRecord) -> None:
    """Write the record and flush it to disk; call it last, before the folder is renamed."""
    with (folder / RECORD).open("wb") as handle:
        handle.write(orjson.dumps(asdict(record), option=orjson.OPT_INDENT_2) + b"\n")
        handle.flush()
        os.fsync(handle.fileno())


def read_record(folder: Path) -> StepRecord | None:
    """Read the record of a finished step; None if it is absent or unreadable."""
    try:
        return _READER.validate_json((folder / RECORD).read_bytes())
    except (OSError, ValidationError):
        return None


def damage(folder: Path, record: StepRecord) -> str | None:
    """Describe how the products of a finished step changed since; None if they are intact."""
    for name, digest in products_of(folder, record.products).items():
        if digest != record.products[name]:
            return f"{name} is {'missing' if digest == 'absent' else 'changed since'}"
    return None


def records_of(runs: Path, place: str) -> Iterator[tuple[Path, StepRecord]]:
    """Yield finished folders of a step (`round-1/backtest`) in all runs, the newest run first."""
    for folder in sorted(runs.glob(f"*/{place}"), reverse=True):
        record = read_record(folder)
        if record is not None:
            yield folder, record


def changed_inputs(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Return the sorted names of the inputs that differ."""
    return tuple(sorted(name for name in {*before, *now} if before.get(name) != now.get(name)))
