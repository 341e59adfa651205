"""Stories: their rows, the results of their steps, and the columns of the jobs that make them."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
additive = True

STORY = sa.text("story_id IS NOT NULL")


def upgrade() -> None:
    """Add columns, an index and two tables."""
    op.add_column("jobs", sa.Column("kind", sa.String(16), nullable=False, server_default="video"))
    op.add_column("jobs", sa.Column("story_id", sa.String(64)))
    op.add_column("jobs", sa.Column("step", sa.String(64)))
    op.create_index("ix_jobs_story", "jobs", ["story_id"], postgresql_where=STORY, sqlite_where=STORY)
    op.create_table(
        "stories",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("chosen_id", sa.String(64)),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.Double()),
        sa.Column("submitted_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double()),
        sa.Column("completed_at", sa.Double()),
        sa.Column("expires_at", sa.Double()),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("callback_url", sa.Text()),
        sa.Column("revised_from", sa.String(64)),
        sa.Column("traceparent", sa.String(64)),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stories"),
    )
    op.create_index("ix_stories_listing", "stories", ["owner", "submitted_at", "id"])
    for name, column in (("due", "due_at"), ("expiry", "expires_at")):
        where = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_stories_{name}", "stories", [column], postgresql_where=where, sqlite_where=where)
    op.create_table(
        "step_results",
        sa.Column("owner", sa.String(128), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("story_id", sa.String(64), nullable=False),
        sa.Column("outputs", sa.JSON(), nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "fingerprint", name="pk_step_results"),
    )
    op.create_index("ix_step_results_story_id", "step_results", ["story_id"])
