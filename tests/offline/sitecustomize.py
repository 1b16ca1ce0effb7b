"""The network off-switch: a connection to anything but this machine raises.

Python imports a module of this name at start-up, so with this folder on PYTHONPATH the switch also works in
every Python process that a test starts (freqtrade, the sandbox, the command line).
"""

from __future__ import annotations

import functools
import ipaddress
import socket
from typing import Any

_LOCAL_NAMES = {"", "localhost", "ip6-localhost", socket.gethostname().lower()}

attempts: list[str] = []
"""Every refused host since start-up, also where the caller swallowed the error."""


class NetworkOff(RuntimeError):
    """A test reached for a host outside this machine. No OSError: that would pass for a network failure."""


def is_local(host: object) -> bool:
    """Whether `host` (name or address, str or bytes or None) is this machine."""
    name = host.decode() if isinstance(host, bytes) else host
    if not isinstance(name, str):
        return name is None
    try:
        return ipaddress.ip_address(name.split("%")[0]).is_loopback
    except ValueError:
        return name.lower() in _LOCAL_NAMES


def refuse(host: object, port: object) -> None:
    """Raise unless `host` is local."""
    if not is_local(host):
        attempts.append(f"{host!s}:{port!s}")
        raise NetworkOff(
            f"the tests are offline, and something asked for {host!s}:{port!s}. "
            "Point it at the sandbox on 127.0.0.1, or hand in a scripted answer."
        )


def install() -> None:
    """Guard every socket of this process; a second call changes nothing."""
    if hasattr(socket, "offline_attempts"):
        return
    # The list hangs on what is guarded: a worker has this module from its start-up and again from conftest.
    socket.offline_attempts = attempts  # type: ignore[attr-defined]
    for method in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, method, _guarded(getattr(socket.socket, method)))

    resolve = socket.getaddrinfo

    def offline_getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        refuse(host, port)
        return resolve(host, port, *args, **kwargs)

    socket.getaddrinfo = offline_getaddrinfo


def _guarded(method: Any) -> Any:
    @functools.wraps(method)
    def call(self: socket.socket, *args: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host, port = args[-1][:2]  # the address is the last argument of all three
            refuse(host, port)
        return method(self, *args)

    return call


install()
