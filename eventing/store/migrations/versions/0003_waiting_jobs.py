"""An index of the waiting jobs of each owner: every submission counts them for the quota."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build the index."""
    op.create_index(
        "ix_jobs_waiting",
        "jobs",
        ["owner"],
        unique=False,
        postgresql_where=sa.text("status = 'queued'"),
        sqlite_where=sa.text("status = 'queued'"),
    )
