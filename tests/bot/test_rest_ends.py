"""The end of a bot with listeners, in a file of its own: a process has one API server at a time."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.helpers.api_bot import SECRETS, api_bot


def test_listeners_leave_no_thread_and_end_with_the_bot(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with api_bot(tmp_path) as own:
        address = f"{own.url.replace('http', 'ws')}/api/v1/agents/ws?token={SECRETS['ws']}"
        sockets = [connect(address, proxy=None) for _ in range(3)]
        assert all("hello" in str(socket.recv(timeout=30)) for socket in sockets)
    for socket in sockets:
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=30)
    assert not [t.name for t in threading.enumerate() if t.name == "FTUvicorn"]
    assert SECRETS["ws"] not in "\n".join(
        r.getMessage() for r in caplog.records if "websockets" not in r.name
    )
