"""Files put in place in one step: whole after a failed block, a kill, and writers side by side."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent_market.utils.durable import atomic_write, replace_bytes, replace_text

OLD, NEW = b"old" * 100_000, b"new" * 100_000


def test_the_file_holds_what_was_written_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "made" / "on the way" / "file"
    replace_bytes(file, OLD)
    replace_bytes(file, NEW)
    assert file.read_bytes() == NEW
    assert list(file.parent.iterdir()) == [file]


def test_until_the_block_ends_the_old_content_stands(tmp_path: Path) -> None:
    file = tmp_path / "file"
    replace_bytes(file, OLD)
    with atomic_write(file) as fresh:
        fresh.write_bytes(NEW)
        assert file.read_bytes() == OLD
    assert file.read_bytes() == NEW


def test_a_block_that_raises_leaves_the_old_content_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "file"
    replace_bytes(file, OLD)

    def fail_half_way() -> None:
        with atomic_write(file) as fresh:
            fresh.write_bytes(NEW[:1000])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert file.read_bytes() == OLD
    assert list(tmp_path.iterdir()) == [file]


def test_a_block_that_writes_nothing_is_an_error_and_the_old_content_stands(tmp_path: Path) -> None:
    file = tmp_path / "file"
    replace_bytes(file, OLD)
    with pytest.raises(FileNotFoundError), atomic_write(file):
        pass
    assert file.read_bytes() == OLD


def test_a_folder_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folder").write_bytes(OLD)
    with pytest.raises(OSError, match="folder"):
        replace_bytes(tmp_path / "folder" / "file", NEW)


def test_text_keeps_bytes_that_were_no_utf8(tmp_path: Path) -> None:
    raw = "größer".encode() + b"\xff\n"
    replace_text(tmp_path / "file", raw.decode("utf-8", "surrogateescape"))
    assert (tmp_path / "file").read_bytes() == raw


def test_of_writers_side_by_side_one_wins_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: replace_bytes(file, b"%d" % (n % 10) * 50_000), range(200)))
    assert len(set(file.read_bytes())) == 1
    assert file.stat().st_size == 50_000
    assert list(tmp_path.iterdir()) == [file]


def test_a_process_killed_while_it_writes_leaves_the_old_content(tmp_path: Path) -> None:
    file = tmp_path / "file"
    replace_bytes(file, OLD)
    body = (
        "import os, signal, sys, pathlib\n"
        "from agent_market.utils.durable import atomic_write\n"
        "with atomic_write(pathlib.Path(sys.argv[1])) as fresh:\n"
        "    fresh.write_bytes(b'new')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", body, str(file)], check=False, env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL
    assert file.read_bytes() == OLD
    left = [path.name for path in tmp_path.iterdir() if path != file]
    assert len(left) == 1
    assert left[0].startswith(".file.")
