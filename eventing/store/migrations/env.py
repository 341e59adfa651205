"""Alembic's entry point: runs the scripts on the connection that eventing.store.schema hands over."""

from alembic import context

from eventing.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
