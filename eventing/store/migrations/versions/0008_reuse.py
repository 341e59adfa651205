"""The digest by which a finished result is found that an equal request may reuse."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
additive = True


def upgrade() -> None:
    """Add a column that may be empty, and an index of the completed jobs."""
    op.add_column("jobs", sa.Column("spec_digest", sa.String(length=64), nullable=True))
    op.create_index(
        "ix_jobs_reuse",
        "jobs",
        ["owner", "spec_digest"],
        unique=False,
        postgresql_where=sa.text("status = 'completed'"),
        sqlite_where=sa.text("status = 'completed'"),
    )
