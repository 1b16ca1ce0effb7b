"""The network off-switch of the tests works, here and in child processes."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading

import pytest

OUTSIDE = ("192.0.2.1", 80)  # TEST-NET-1, RFC 5737: never a real host


def test_a_connection_to_another_machine_raises(refused_connections: list[str]) -> None:
    with socket.socket() as probe, pytest.raises(RuntimeError, match=r"192\.0\.2\.1:80"):
        probe.connect(OUTSIDE)
    assert refused_connections == ["192.0.2.1:80"]
    refused_connections.clear()


def test_a_datagram_to_another_machine_raises(refused_connections: list[str]) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as probe, pytest.raises(RuntimeError, match="offline"):
        probe.sendto(b"x", OUTSIDE)
    refused_connections.clear()


def test_a_name_is_not_even_resolved(refused_connections: list[str]) -> None:
    with pytest.raises(RuntimeError, match=r"example\.org"):
        socket.create_connection(("example.org", 443), timeout=1)
    refused_connections.clear()


def test_loopback_and_unix_sockets_work() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        accept = threading.Thread(target=lambda: server.accept()[0].close())
        accept.start()
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5).close()
        accept.join()
    left, right = socket.socketpair()
    left.sendall(b"x")
    assert right.recv(1) == b"x"
    left.close()
    right.close()


def test_a_child_process_is_offline_too() -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert child.returncode != 0
    assert "the tests are offline" in child.stderr
