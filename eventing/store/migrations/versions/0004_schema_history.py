"""The applied migrations, each with whether the release before it can go on with its schema.

Every migration from this one on declares `additive`. True means that the release before it works with the new
schema too: nothing it reads or writes is removed, renamed, or given a new meaning. So a release can be rolled
back by one although its migration stays.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
additive = True


def upgrade() -> None:
    """Build the table."""
    op.create_table(
        "schema_history",
        sa.Column("revision", sa.String(length=32), nullable=False),
        sa.Column("additive", sa.Boolean(), nullable=False),
        sa.Column("applied_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_schema_history")),
    )
