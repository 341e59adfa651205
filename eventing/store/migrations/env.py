"""Alembic's entry point: runs the scripts on the connection that eventing.store.schema hands over."""

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from sqlalchemy import insert

from eventing.store.database.engine import db_now
from eventing.store.tables import metadata, schema_history


def record(
    ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]
) -> None:
    """Record an applied migration that declares whether it is additive, as every one since 0004 must."""
    additive = getattr(getattr(step.up_revision, "module", None), "additive", None)
    if additive is not None and ctx.connection is not None:
        row = {"revision": step.up_revision_id, "additive": additive, "applied_at": db_now()}
        ctx.connection.execute(insert(schema_history).values(**row))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    on_version_apply=record,
)
with context.begin_transaction():
    context.run_migrations()
