"""For all tests: no network but loopback, no model hub, and where the real data is.

pytest loads this file before any test module, hence before anything that keeps a reference to `socket`.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent
_OFFLINE = str(Path(__file__).parent / "offline")

os.environ.update(
    HF_HUB_OFFLINE="1",
    TRANSFORMERS_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    PYTHONPATH=os.pathsep.join(filter(None, [_OFFLINE, str(REPOSITORY), os.environ.get("PYTHONPATH")])),
)
for _name in [name for name in os.environ if name.upper().endswith("_PROXY")]:
    del os.environ[_name]  # a proxy on this machine would be a way out

# A slow machine is no bug: pytest-timeout ends a test that hangs.
settings.register_profile("agent-market", deadline=None)
settings.load_profile("agent-market")

# `tests.helpers` is a package that test files and the processes they start import by this name.
if str(REPOSITORY) not in sys.path:
    sys.path.insert(0, str(REPOSITORY))

# Loaded from its file: a sitecustomize of the system may already hold the name.
_spec = importlib.util.spec_from_file_location("offline_switch", Path(_OFFLINE) / "sitecustomize.py")
assert _spec is not None
assert _spec.loader is not None
offline = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(offline)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with the longest tests first, so that none of them is begun when the other workers are done."""
    longest: dict[Path, float] = {}
    for item in items:
        marker = item.get_closest_marker("timeout")
        longest[item.path] = max(longest.get(item.path, 0.0), marker.args[0] if marker else 0.0)
    items.sort(key=lambda item: -longest[item.path])


@pytest.fixture(autouse=True)
def refused_connections() -> Iterator[list[str]]:
    """Fail a test that reached out, even where the code under test swallowed the refusal.

    A test that wants a refusal asks for this fixture, looks at the list, and clears it.
    """
    refused: list[str] = socket.offline_attempts  # type: ignore[attr-defined]
    refused.clear()
    yield refused
    if refused:
        pytest.fail(f"the test reached for the network: {', '.join(refused)}")


@pytest.fixture
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real market data (`candles/`, `context/`); tests that ask for it skip where it is absent."""
    named = os.environ.get("AGENT_MARKET_TEST_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not (folder / "candles").is_dir():
        pytest.skip(f"no real market data in {folder}; set AGENT_MARKET_TEST_DATA to a folder that has it")
    return folder
