"""Alembic entry point; `store.database` hands over an open connection."""

from alembic import context

from agent_market.store.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
