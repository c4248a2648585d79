"""Runs migrations on the connection that `core.db.migrate` hands over."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"], target_metadata=None, version_table_schema="assay"
)
with context.begin_transaction():
    context.run_migrations()
