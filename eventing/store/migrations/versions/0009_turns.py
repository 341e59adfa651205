"""Turns: owners of a lane take turns (eventing/domain/turns.py), and jobs have priorities.

Jobs that wait get the turns that they would have got one by one. A job that the release before submits has
turn 0 and goes first. `ix_jobs_queue` stays for that release, whose claims walk it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
additive = True

_FILL = """
    UPDATE jobs SET turn = waiting.turn FROM (
        SELECT id, row_number() OVER (PARTITION BY model, lane, owner ORDER BY submitted_at, id) - 1 AS turn
        FROM jobs WHERE status = 'queued') AS waiting
    WHERE waiting.id = jobs.id
"""
_ENDS = """
    INSERT INTO turns (model, lane, owner, priority, turn, step)
    SELECT model, lane, owner, 0, count(*), 1 FROM jobs WHERE status = 'queued' GROUP BY model, lane, owner
"""


def upgrade() -> None:
    """Add columns with defaults, a table and an index, and fill them for the jobs that wait."""
    op.add_column("jobs", sa.Column("priority", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("turn", sa.Double(), nullable=False, server_default="0"))
    op.add_column("api_keys", sa.Column("max_priority", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "turns",
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("lane", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("turn", sa.Double(), nullable=False),
        sa.Column("step", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("model", "lane", "owner", "priority", name=op.f("pk_turns")),
    )
    op.execute(_FILL)
    op.execute(_ENDS)
    op.create_index(
        "ix_jobs_turns",
        "jobs",
        ["model", "lane", "turn", "submitted_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'queued'"),
        sqlite_where=sa.text("status = 'queued'"),
    )
