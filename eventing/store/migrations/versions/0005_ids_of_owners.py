"""Ids that owners choose, positions of deleted jobs, and an index to sweep old idempotency keys."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
additive = True


def upgrade() -> None:
    """Add a column that may be empty, a table and an index."""
    op.add_column("jobs", sa.Column("chosen_id", sa.String(length=64), nullable=True))
    op.create_table(
        "dropped_jobs",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("submitted_at", sa.Double(), nullable=False),
        sa.Column("dropped_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dropped_jobs")),
    )
    op.create_index("ix_dropped_jobs_dropped_at", "dropped_jobs", ["dropped_at"], unique=False)
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"], unique=False)
