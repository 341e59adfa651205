"""Declare the gauges that are read at a scrape: the state in the database, and that of the replica."""

from __future__ import annotations

from eventing.contract.metrics.declare import Reading, Service, family

OURS = Service.eventing
SAME, EACH = Reading.same, Reading.each

JOBS = family(OURS, SAME, "reelzero_jobs", "Jobs that have not ended; 10000 at most are counted.",
              "model", "lane", "status")  # fmt: skip
QUEUE_AGE = family(
    OURS, SAME, "reelzero_queue_oldest_age_seconds",
    "Seconds since the submission of the oldest queued job; 0 without one.", "model", "lane",
)  # fmt: skip
SLOTS = family(
    OURS, SAME, "reelzero_slots", "Jobs that can run at once: slots of each pool.", "pool", "state"
)
PAUSED = family(
    OURS, SAME, "reelzero_model_paused", "1 while a model's predictors do not start.", "model", "lane"
)
START_FAILURES = family(
    OURS, SAME, "reelzero_consecutive_start_failures",
    "Failed starts in a row; three or more pause the model.", "model", "lane",
)  # fmt: skip
OUTBOX = family(
    OURS, SAME, "reelzero_outbox_messages", "Messages not delivered; 10000 at most are counted.",
    "destination", "status",
)  # fmt: skip
OUTBOX_AGE = family(
    OURS, SAME, "reelzero_outbox_oldest_age_seconds",
    "Seconds since the oldest pending message was made; 0 without one.", "destination",
)  # fmt: skip
DEAD_LETTERS = family(
    OURS, SAME, "reelzero_dead_letters", "Dead letters that are kept; 10000 at most are counted."
)
DATABASE_UP = family(
    OURS, EACH, "reelzero_database_up",
    "1 if the gauges of the database were read for this scrape; 0 if they are the last known ones.",
)  # fmt: skip
UNAVAILABLE = family(
    OURS, EACH, "reelzero_model_unavailable", "1 where a model cannot start at all.", "model", "lane"
)
QUEUE_GOAL = family(
    OURS, EACH, "reelzero_queue_goal_seconds",
    "How long the oldest queued job may wait: one cold start and two of the longest videos.", "model", "lane",
)  # fmt: skip
GPUS = family(
    OURS, EACH, "reelzero_model_gpus", "GPUs that one predictor of a model takes; 0: a CPU.", "model"
)
