"""A PostgreSQL server of its own for a test session, on 127.0.0.1, where one is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "market"


def why_not() -> str | None:
    """Why there can be no server; None if there can."""
    missing = [name for name in ("initdb", "postgres", "psql") if shutil.which(name) is None]
    if missing:
        return f"no PostgreSQL server is installed ({', '.join(missing)} not found)"
    if os.geteuid() == 0 and _unprivileged() is None:
        return "PostgreSQL does not run as root, and there is no user postgres"
    return None


@contextmanager
def running() -> Iterator[str]:
    """The server's URL, with `{}` where the database's name goes; the server ends with the block."""
    runs_as = _unprivileged() if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="market-pg-"))
    if runs_as is not None:
        shutil.chown(folder, user=runs_as)
    data, port = folder / "data", _free_port()
    _run(["initdb", "-D", str(data), "-U", USER, "-A", "trust", "--no-sync", "-E", "UTF8"], runs_as, folder)
    options = ["-h", "127.0.0.1", "-p", str(port), "-k", str(folder), "-c", "fsync=off"]
    server = subprocess.Popen(
        [str(shutil.which("postgres")), "-D", str(data), *options],
        user=runs_as,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield f"postgresql+psycopg://{USER}@127.0.0.1:{port}/{{}}"
    finally:
        server.terminate()
        server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: list[str], user: str | None, folder: Path) -> None:
    subprocess.run(command, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _wait_for(port: int) -> None:
    for _ in range(200):
        command = ["psql", "-h", "127.0.0.1", "-p", str(port), "-U", USER, "-d", "postgres", "-c", "SELECT 1"]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    raise RuntimeError(f"PostgreSQL did not answer on 127.0.0.1:{port} within 20 s")


def _unprivileged() -> str | None:
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
