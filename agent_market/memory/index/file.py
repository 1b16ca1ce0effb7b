"""The index of one memory as a file that opens memory-mapped; the database is the truth.

A file is used only if it is whole and was made at the database's present generation (`store.generations`);
if it is missing, torn or old, the index is built from the database and the file replaced in one step.  So
a kill at any moment leaves an index that agrees with the database, or none.

    header (64 bytes): magic, dim, rows, generation, checksum of what follows, checksum of the header
    known_at int64 (rows), keys int64 (rows), vectors float32 (rows, dim), all little-endian
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sqlalchemy.engine import make_url

from agent_market.errors import StoreError, StoreFull
from agent_market.memory.index.vectors import PointInTimeVectors
from agent_market.store.database import Database
from agent_market.store.generations import generation_of
from agent_market.store.vectors import VectorRows, read_vectors
from agent_market.utils.durable import replace_bytes

logger = logging.getLogger(__name__)

_MAGIC = b"AMINDEX1"
_HEADER = struct.Struct("<8sIQQI")
_HEADER_SIZE = 64


def open_index(
    database: Database, folder: Path, scope: str, pair: str, kind: str
) -> PointInTimeVectors | None:
    """The vectors of one memory and kind, as the database has them; None if there are none.

    Keys of its rows are decision times.  Rows that are added live in memory only: write them to the database
    (`store.vectors`, or with their episodes), and the next opening takes them up.

    :param folder: where index files are kept; made if it is missing. It may be deleted at any time.
    :raises StoreError: the database fails. A file that cannot be read or written is logged, and done without.
    """
    path = index_path(folder, scope, pair, kind)
    with database.begin() as connection:
        # Read before the rows: a write in between makes the file old, never wrong.
        generation = generation_of(connection, scope, pair, kind)
        mapped = read_file(path, generation)
        if mapped is not None:
            return mapped
        rows = read_vectors(connection, scope, pair, kind)
    if not len(rows.keys):
        return None
    try:
        write_file(path, rows, generation)
    except StoreError as error:
        logger.warning("memory works without an index file: %s", error)
    return PointInTimeVectors.over(rows.known_at, rows.keys, rows.vectors)


def index_over(
    database: Database, scope: str, pair: str, kind: str, wanted: Sequence[tuple[int, int]]
) -> PointInTimeVectors | None:
    """`open_index` beside a SQLite store, if its rows are those wanted.

    None where they are not (some are left out, or not written yet), and where the store is no file.

    :param wanted: (known_at, key) of each row, ascending.
    """
    folder = index_folder(database.url)
    rows = open_index(database, folder, scope, pair, kind) if folder is not None and wanted else None
    if rows is None or len(rows) != len(wanted):
        return None
    same = np.array_equal(np.column_stack((rows.known_at, rows.keys)), np.array(wanted, dtype=np.int64))
    return rows if same else None


def index_folder(url: str) -> Path | None:
    """Where the index files of a store are kept: beside its file; None if it has none."""
    opened = make_url(url)
    on_disk = opened.get_backend_name() == "sqlite" and opened.database not in (None, "", ":memory:")
    return Path(f"{opened.database}.index") if on_disk else None


def index_path(folder: Path, scope: str, pair: str, kind: str) -> Path:
    """The file of one memory and kind; a hash: pairs and kinds hold characters that file names may not."""
    name = hashlib.sha256("\0".join((scope, pair, kind)).encode()).hexdigest()[:24]
    return folder / f"{name}.index"


def write_file(path: Path, rows: VectorRows, generation: int) -> None:
    """Replace the file in one step; what was there stays whole until then.

    :raises StoreFull: no room. :raises StoreError: the file cannot be written.
    """
    body = b"".join(
        np.ascontiguousarray(array, dtype=kind).tobytes()
        for array, kind in ((rows.known_at, "<i8"), (rows.keys, "<i8"), (rows.vectors, "<f4"))
    )
    count, dim = rows.vectors.shape
    header = _HEADER.pack(_MAGIC, dim, count, generation, zlib.crc32(body))
    header += struct.pack("<I", zlib.crc32(header))
    try:
        replace_bytes(path, header.ljust(_HEADER_SIZE, b"\0") + body)
    except OSError as error:
        kind = StoreFull if error.errno == 28 else StoreError
        raise kind(f"cannot write the index file {path}: {error}") from error


def read_file(path: Path, generation: int) -> PointInTimeVectors | None:
    """The rows of a file, memory-mapped; None if it is missing, torn, or of another generation."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < _HEADER_SIZE:
                return None
            view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except FileNotFoundError:
        return None
    except OSError as error:
        logger.warning("cannot read the index file %s, rebuilding it: %s", path, error)
        return None
    header = view[: _HEADER.size]
    magic, dim, count, made_at, checksum = _HEADER.unpack(header)
    (header_checksum,) = struct.unpack_from("<I", view, _HEADER.size)
    body = view[_HEADER_SIZE:]
    if (
        magic != _MAGIC
        or header_checksum != zlib.crc32(header)
        or made_at != generation
        or len(body) != count * (16 + 4 * dim)
        or checksum != zlib.crc32(body)
    ):
        return None
    known_at = np.frombuffer(body, dtype="<i8", count=count)
    keys = np.frombuffer(body, dtype="<i8", count=count, offset=8 * count)
    vectors = np.frombuffer(body, dtype="<f4", count=count * dim, offset=16 * count).reshape(count, dim)
    return PointInTimeVectors.over(known_at, keys, vectors)
