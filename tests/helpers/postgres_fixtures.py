"""Fixtures: an empty PostgreSQL database; who asks for one skips with a reason where there is no server."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text

from tests.helpers.postgres_server import running, why_not


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a server with `{}` for the database's name."""
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    named = os.environ.get("AGENT_MARKET_TEST_POSTGRES", "")
    if named:
        yield f"{named.rpartition('/')[0]}/{{}}"
        return
    reason = why_not()
    if reason:
        pytest.skip(
            f"{reason}; install one, or name a database of a test server in AGENT_MARKET_TEST_POSTGRES"
        )
    with running() as url:
        yield url


@pytest.fixture
def empty_postgres(postgres_server: str) -> Iterator[str]:
    """URL of a database made for this test, and dropped after it."""
    name = f"test_{uuid.uuid4().hex}"
    admin = create_engine(postgres_server.format("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield postgres_server.format(name)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()
