"""An empty PostgreSQL database for tests that ask for one; they skip with a reason where there is none."""

from tests.helpers.postgres_fixtures import empty_postgres, postgres_server

__all__ = ["empty_postgres", "postgres_server"]
