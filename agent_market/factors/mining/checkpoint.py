"""What was proposed so far, on disk: a search that was killed goes on, and ends with the same bytes.

One JSON object a line, a batch each, written through to the disk before the batch is scored.  Scores are not
kept: they follow from the proposals, and take a fraction of the time that asking a model does.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from agent_market.errors import StoreError
from agent_market.factors.mining.records import FactorProposal, ProposerName

FOLDER = Path("agent_market") / "mining"


@dataclass(frozen=True, slots=True)
class Batch:
    """The answer of one proposer: proposals, or the problem that it had, and whether it is asked no more."""

    number: int
    proposer: ProposerName
    proposals: tuple[FactorProposal, ...] = ()
    problem: str | None = None
    retire: bool = False


_READER = TypeAdapter(Batch)


class Checkpoint:
    """The batches of one run, in order; a torn last line (the process was killed there) is dropped."""

    def __init__(self, user_data: Path, run: str) -> None:
        """
        :raises StoreError: the folder or file cannot be written or read.
        """
        self.file = user_data / FOLDER / f"{run}.jsonl"
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._held = self._read()
        except OSError as error:
            raise StoreError(f"the progress of the search cannot be kept in {self.file}: {error}") from error

    def __len__(self) -> int:
        return len(self._held)

    def get(self, number: int) -> Batch | None:
        """The batch of that number, if it was answered before."""
        return self._held[number] if number < len(self._held) else None

    def keep(self, batch: Batch) -> None:
        """Write a batch through to the disk.

        :raises StoreError: the disk is full or the folder is read-only.
        """
        try:
            with self.file.open("ab") as stream:
                stream.write(orjson.dumps(asdict(batch)) + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise StoreError(f"the progress of the search cannot be kept in {self.file}: {error}") from error
        self._held.append(batch)

    def finished(self) -> None:
        """The files of the run are written: nothing is left to go on with."""
        self.file.unlink(missing_ok=True)

    def _read(self) -> list[Batch]:
        if not self.file.exists():
            return []
        packed = self.file.read_bytes()
        batches: list[Batch] = []
        good = 0
        for line in packed.splitlines(keepends=True):
            try:
                batch = _READER.validate_json(line)
            except ValidationError:
                break
            if batch.number != len(batches) or not line.endswith(b"\n"):
                break
            batches.append(batch)
            good += len(line)
        if good < len(packed):
            with self.file.open("r+b") as stream:
                stream.truncate(good)
        return batches
