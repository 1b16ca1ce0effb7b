"""Datasets larger than memory: chunks in a folder, read one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from agent_market.errors import DataError
from agent_market.training.datasets.dataset import Dataset, joined
from agent_market.training.models.libraries import library
from agent_market.utils.durable import atomic_write

_LABEL, _KNOWN = "label:", "known_at:"


@dataclass(frozen=True, slots=True)
class StoredDataset:
    """Chunks in `folder`, in the order they were written."""

    folder: Path

    def chunks(self) -> Iterator[Dataset]:
        """Yield one chunk at a time.

        :raises DataError: the folder has no chunk, or one cannot be read.
        """
        files = sorted(self.folder.glob("chunk-*.feather"))
        if not files:
            raise DataError(f"no dataset in {self.folder}; write one with datasets.stored.write_chunks")
        for file in files:
            yield _read(file)

    def sampled(self, share: float, seed: int) -> Dataset:
        """Return a random share of the rows of each chunk, joined in memory."""
        if not 0.0 < share <= 1.0:
            raise DataError(f"Invalid share {share}; use a number above 0 and up to 1")
        parts = (
            part.sampled(max(round(len(part) * share), 1), seed + n) for n, part in enumerate(self.chunks())
        )
        return joined(list(parts))

    def torch_rows(self, label: str) -> Any:
        """Return a torch `IterableDataset` of float32 (features (F,), label); one chunk at a time."""
        torch: Any = library("torch", "StoredDataset.torch_rows")
        chunks = self.chunks

        class Rows(torch.utils.data.IterableDataset):  # type: ignore[misc, name-defined]
            """Rows of the chunks, each on one worker only."""

            def __iter__(self) -> Iterator[Any]:
                worker = torch.utils.data.get_worker_info()
                share, mine = (1, 0) if worker is None else (worker.num_workers, worker.id)
                for number, chunk in enumerate(chunks()):
                    if number % share == mine:
                        yield from zip(*chunk.to_torch(label).tensors, strict=True)

        return Rows()


def write_chunks(folder: Path, chunks: Iterable[Dataset]) -> StoredDataset:
    """Write each chunk as one feather file into an empty or new folder.

    :raises DataError: the folder holds chunks already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.glob("chunk-*.feather")):
        raise DataError(f"{folder} holds a dataset already; delete it, or write to another folder")
    for number, chunk in enumerate(chunks):
        frame = pd.concat(
            [
                pd.DataFrame({"asof": chunk.asof, "pair": chunk.pair}),
                chunk.labels.add_prefix(_LABEL),
                chunk.known_at.add_prefix(_KNOWN),
                chunk.features,
            ],
            axis=1,
        )
        with atomic_write(folder / f"chunk-{number:06d}.feather") as fresh:
            frame.to_feather(fresh)
    return StoredDataset(folder)


def _read(file: Path) -> Dataset:
    try:
        frame = pd.read_feather(file)
    except (OSError, ValueError) as error:
        raise DataError(f"{file} is not a chunk of a dataset ({error}); write the dataset again") from error
    labels = frame.filter(like=_LABEL).rename(columns=lambda name: name.removeprefix(_LABEL))
    known = frame.filter(like=_KNOWN).rename(columns=lambda name: name.removeprefix(_KNOWN))
    columns = [str(column) for column in frame.columns]
    features = frame[[c for c in columns if not c.startswith((_LABEL, _KNOWN)) and c not in ("asof", "pair")]]
    return Dataset(
        features, labels, known, frame["asof"].to_numpy(dtype=np.int64), frame["pair"].to_numpy(dtype=object)
    )
