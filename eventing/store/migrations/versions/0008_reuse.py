"""The digest by which the result of an equal request is found, and the job that a result came from."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
additive = True


def upgrade() -> None:
    """Add two columns that may be empty, and an index of the completed jobs."""
    op.add_column("jobs", sa.Column("reused_from", sa.String(length=64), nullable=True))
    op.add_column("jobs", sa.Column("spec_digest", sa.String(length=64), nullable=True))
    op.create_index(
        "ix_jobs_reuse",
        "jobs",
        ["owner", "spec_digest"],
        unique=False,
        postgresql_where=sa.text("status = 'completed'"),
        sqlite_where=sa.text("status = 'completed'"),
    )
