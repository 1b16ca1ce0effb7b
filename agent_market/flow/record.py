"""The record of a finished step, in its folder: what it was made from, and what it left.

A folder with a record is complete, for it got its name in one rename after the record was written.
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
    """`inputs` name -> digest; `products` file -> sha256; `run` is the run that really made it."""

    step: str
    round: int
    run: str
    inputs: Mapping[str, str]
    products: Mapping[str, str]
    seconds: float
    words: str

    @property
    def key(self) -> str:
        """Equal keys: made from the same."""
        return digest_of_values([self.step, dict(self.inputs)])

    @property
    def digest(self) -> str:
        """Equal digests: the same products."""
        return digest_of_values(dict(self.products))


_READER = TypeAdapter(StepRecord)


def products_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """File -> sha256 of a step's products; one that is absent has the digest "absent"."""
    return {name: digest_of_file(folder / name) if (folder / name).is_file() else "absent" for name in names}


def write_record(folder: Path, record: StepRecord) -> None:
    """Write the record last, and make sure that it is on disk before the folder gets its name."""
    with (folder / RECORD).open("wb") as handle:
        handle.write(orjson.dumps(asdict(record), option=orjson.OPT_INDENT_2) + b"\n")
        handle.flush()
        os.fsync(handle.fileno())


def read_record(folder: Path) -> StepRecord | None:
    """The record of a finished step; None where there is none that can be read."""
    try:
        return _READER.validate_json((folder / RECORD).read_bytes())
    except (OSError, ValidationError):
        return None


def damage(folder: Path, record: StepRecord) -> str | None:
    """What is wrong with the products of a finished step; None if they are as it left them."""
    for name, digest in products_of(folder, record.products).items():
        if digest != record.products[name]:
            return f"{name} is {'gone' if digest == 'absent' else 'not as it was left'}"
    return None


def records_of(runs: Path, place: str) -> Iterator[tuple[Path, StepRecord]]:
    """Finished folders of a step (`round-1/backtest`) in all runs, the newest run first."""
    for folder in sorted(runs.glob(f"*/{place}"), reverse=True):
        record = read_record(folder)
        if record is not None:
            yield folder, record


def changed_inputs(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the inputs that differ, sorted."""
    return tuple(sorted(name for name in {*before, *now} if before.get(name) != now.get(name)))
