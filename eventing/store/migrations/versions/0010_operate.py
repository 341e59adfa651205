"""The right of a key to operate, and indexes of what operators look at: dead deliveries and dead letters."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
additive = True


def upgrade() -> None:
    """Add a column with a default, and two indexes."""
    op.add_column(
        "api_keys", sa.Column("may_operate", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_index(
        "ix_outbox_dead",
        "outbox",
        ["created_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'dead'"),
        sqlite_where=sa.text("status = 'dead'"),
    )
    op.create_index("ix_dead_letters_received", "dead_letters", ["received_at", "id"], unique=False)
