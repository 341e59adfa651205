"""Count the streams of a job that were cut at their start: they use up no attempt, within a bound."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
additive = True


def upgrade() -> None:
    """Add a column whose default serves the release before."""
    op.add_column("jobs", sa.Column("early_cuts", sa.Integer(), nullable=False, server_default="0"))
