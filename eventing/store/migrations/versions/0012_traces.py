"""The trace of a message, so that its delivery continues the trace of its job."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
additive = True


def upgrade() -> None:
    """Add the column."""
    op.add_column("outbox", sa.Column("traceparent", sa.String(length=64), nullable=True))
