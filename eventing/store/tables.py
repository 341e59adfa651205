"""The tables. `eventing/store/migrations` builds them; a test holds both against each other.

Times are double-precision seconds since the epoch, always written from the database's own clock.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
)


def _partial(name: str, *columns: str, where: str) -> Index:
    """Return an index of some rows only, on both databases."""
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("status", String(16), nullable=False),
    Column("model", String(64), nullable=False),
    Column("lane", String(32), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("callback_url", Text),
    Column("callback_format", String(16), nullable=False),
    Column("remixed_from", String(64)),
    Column("traceparent", String(64)),
    Column("attempt", Integer, nullable=False),
    Column("attempts_used", Integer, nullable=False),
    Column("early_cuts", Integer, nullable=False, server_default="0"),
    Column("holder", String(128)),
    Column("lease_until", Double),
    Column("not_before", Double, nullable=False),
    Column("start_by", Double),
    Column("submitted_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("claimed_at", Double),
    Column("started_at", Double),
    Column("completed_at", Double),
    Column("expires_at", Double),
    Column("cancel_requested", Boolean, nullable=False),
    Column("progress", JSON, nullable=False),
    Column("error", JSON(none_as_null=True)),
    Column("result", JSON(none_as_null=True)),
    Column("sequence", Integer, nullable=False),
    Column("chosen_id", String(64)),  # the id that the owner chose; the row's own id is made from both
    Column("group_id", String(64)),
    Column("spec_digest", String(64)),
    Column("reused_from", String(64)),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("turn", Double, nullable=False, server_default="0"),
    # What its attempts have used, in seconds of one predictor (domain/usage.py).
    Column("used_seconds", Double, nullable=False, server_default="0"),
    Column("starting_seconds", Double, nullable=False, server_default="0"),
    Column("wasted_seconds", Double, nullable=False, server_default="0"),
    Column("idle_seconds", Double, nullable=False, server_default="0"),
    Column("video_seconds", Double, nullable=False, server_default="0"),
    Column("cold_starts", Integer, nullable=False, server_default="0"),
    Column("wait_class", Integer),
    Column("kind", String(16), nullable=False, server_default="video"),  # video | step
    Column("story_id", String(64)),
    Column("step", String(64)),
    Index("ix_jobs_listing", "owner", "submitted_at", "id"),
    # Partial indexes hold live rows only, so claims stay fast with a long history.
    _partial("ix_jobs_turns", "model", "lane", "turn", "submitted_at", "id", where="status = 'queued'"),
    # For claims of the release before, while both run.
    _partial("ix_jobs_queue", "model", "lane", "submitted_at", where="status = 'queued'"),
    _partial("ix_jobs_waiting", "owner", where="status = 'queued'"),
    _partial("ix_jobs_start_by", "start_by", where="status = 'queued' AND start_by IS NOT NULL"),
    _partial("ix_jobs_group", "group_id", where="group_id IS NOT NULL"),
    _partial("ix_jobs_story", "story_id", where="story_id IS NOT NULL"),
    _partial("ix_jobs_reuse", "owner", "spec_digest", where="status = 'completed'"),
    _partial("ix_jobs_leases", "lease_until", where="status = 'in_progress'"),
    Index("ix_jobs_expiry", "expires_at"),
)

# Where the next turn of each flow of a lane begins (eventing/domain/turns.py); without an owner: the clock.
turns = Table(
    "turns",
    metadata,
    Column("model", String(64), primary_key=True),
    Column("lane", String(32), primary_key=True),
    Column("owner", String(128), primary_key=True),
    Column("priority", Integer, primary_key=True, autoincrement=False),
    Column("turn", Double, nullable=False),
    Column("step", Double, nullable=False),
)

# One row per slot of a pool. A claim takes a free row and a job together, so racing replicas cannot exceed
# the capacity. Counting the running jobs first could.
slots = Table(
    "slots",
    metadata,
    Column("pool", String(128), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("job_id", String(64)),
    Column("attempt", Integer),
    Column("freed_at", Double),
    Index("ix_slots_job_id", "job_id"),
)

# What deleted jobs have used, by the day of their end (UTC, days since the epoch). Jobs that still have a row
# are not in it, so nothing is counted twice.
usage = Table(
    "usage",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("owner", String(128), primary_key=True),
    Column("model", String(64), primary_key=True),
    Column("wait_class", Integer, primary_key=True, autoincrement=False),
    Column("completed", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("cancelled", Integer, nullable=False),
    Column("reused", Integer, nullable=False),
    Column("cold_starts", Integer, nullable=False),
    Column("video_seconds", Double, nullable=False),
    Column("used", Double, nullable=False),
    Column("starting", Double, nullable=False),
    Column("wasted", Double, nullable=False),
    Column("idle", Double, nullable=False),
)

# Positions of deleted jobs in the listing, for clients that page by the last id they saw.
dropped_jobs = Table(
    "dropped_jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("submitted_at", Double, nullable=False),
    Column("dropped_at", Double, nullable=False),
    Index("ix_dropped_jobs_dropped_at", "dropped_at"),
)

# Keys outlive the jobs that they made, so a late repetition of a request makes no second job.
idempotency = Table(
    "idempotency",
    metadata,
    Column("owner", String(128), primary_key=True),
    Column("key", String(512), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("job_id", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Index("ix_idempotency_created_at", "created_at"),
)

# Steps that need each other, each made by a job (eventing/domain/story.py). `steps` has all of them.
stories = Table(
    "stories",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("chosen_id", String(64)),  # as in `jobs`
    Column("digest", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("document", JSON, nullable=False),  # as the caller sent it
    Column("steps", JSON, nullable=False),
    Column("version", Integer, nullable=False),  # rises with each change of the story and each end of a job
    Column("due_at", Double),  # when its next steps are to be looked for
    Column("submitted_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("started_at", Double),
    Column("completed_at", Double),
    Column("expires_at", Double),
    Column("cancel_requested", Boolean, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("callback_url", Text),
    Column("revised_from", String(64)),
    Column("traceparent", String(64)),
    Column("sequence", Integer, nullable=False),
    Index("ix_stories_listing", "owner", "submitted_at", "id"),
    _partial("ix_stories_due", "due_at", where="due_at IS NOT NULL"),
    _partial("ix_stories_expiry", "expires_at", where="expires_at IS NOT NULL"),
)

# The outputs of completed steps: an equal step of the owner takes a copy of them.
step_results = Table(
    "step_results",
    metadata,
    Column("owner", String(128), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("story_id", String(64), nullable=False),
    Column("outputs", JSON, nullable=False),
    Column("made_at", Double, nullable=False),
    Index("ix_step_results_story_id", "story_id"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("event_id", String(128), nullable=False),
    Column("event_type", String(128), nullable=False),
    Column("job_id", String(64)),
    Column("owner", String(128), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("destination", String(16), nullable=False),  # sink | s3 | webhook
    Column("target", Text),
    Column("body", Text, nullable=False),
    Column("status", String(16), nullable=False),  # pending | delivered | dead
    Column("tries", Integer, nullable=False),
    Column("next_at", Double, nullable=False),
    Column("lease_until", Double),
    Column("last_error", Text),
    Column("created_at", Double, nullable=False),
    Column("delivered_at", Double),
    Column("traceparent", String(64)),
    _partial("ix_outbox_due", "next_at", where="status = 'pending'"),
    _partial("ix_outbox_dead", "created_at", "id", where="status = 'dead'"),
    Index("ix_outbox_job_id", "job_id", "destination"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("outbox_id", String(64), ForeignKey("outbox.id", ondelete="CASCADE"), primary_key=True),
    Column("try", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("http_status", Integer),
    Column("error", Text),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double),
    Column("max_priority", Integer, nullable=False, server_default="0"),
    Column("may_operate", Boolean, nullable=False, server_default=false()),
)

# The circuit breaker: with three failures or more in a row, one probe job at a time goes out.
model_state = Table(
    "model_state",
    metadata,
    Column("model", String(64), primary_key=True),
    Column("lane", String(32), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("next_probe_at", Double, nullable=False),
    Column("reason", Text, nullable=False),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(128), nullable=False),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("destination", Text),
    Column("code", Text),
    Column("body", JSON, nullable=False),
    Column("received_at", Double, nullable=False),
    Index("ix_dead_letters_listing", "owner", "received_at"),
    Index("ix_dead_letters_received", "received_at", "id"),
)

# Since migration 0004. A release that does not know a revision may go on if the revision is additive.
schema_history = Table(
    "schema_history",
    metadata,
    Column("revision", String(32), primary_key=True),
    Column("additive", Boolean, nullable=False),
    Column("applied_at", Double, nullable=False),
)
