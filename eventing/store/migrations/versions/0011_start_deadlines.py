"""An index of start deadlines: a poll looks for those that are over without reading every waiting job."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
additive = True


def upgrade() -> None:
    """Add the index of waiting jobs that have a deadline."""
    waiting = sa.text("status = 'queued' AND start_by IS NOT NULL")
    op.create_index(
        "ix_jobs_start_by",
        "jobs",
        ["start_by"],
        unique=False,
        postgresql_where=waiting,
        sqlite_where=waiting,
    )
