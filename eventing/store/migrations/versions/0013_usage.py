"""What jobs use of predictors: columns that add up, and a table that keeps the sums of deleted jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
additive = True

SECONDS = ("used_seconds", "starting_seconds", "wasted_seconds", "idle_seconds", "video_seconds")


def upgrade() -> None:
    """Add columns with defaults, and the table."""
    for name in SECONDS:
        op.add_column("jobs", sa.Column(name, sa.Double(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("cold_starts", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("wait_class", sa.Integer()))
    op.add_column("slots", sa.Column("freed_at", sa.Double()))
    op.create_table(
        "usage",
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("wait_class", sa.Integer(), autoincrement=False, nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("completed", "failed", "cancelled", "reused", "cold_starts")
        ),
        *(
            sa.Column(name, sa.Double(), nullable=False)
            for name in ("video_seconds", "used", "starting", "wasted", "idle")
        ),
        sa.PrimaryKeyConstraint("day", "owner", "model", "wait_class", name="pk_usage"),
    )
