"""Groups: the jobs of one request for several videos have the same group id."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
additive = True


def upgrade() -> None:
    """Add a column that may be empty, and an index of the rows that have it."""
    op.add_column("jobs", sa.Column("group_id", sa.String(length=64), nullable=True))
    op.create_index(
        "ix_jobs_group",
        "jobs",
        ["group_id"],
        unique=False,
        postgresql_where=sa.text("group_id IS NOT NULL"),
        sqlite_where=sa.text("group_id IS NOT NULL"),
    )
