"""Prometheus metrics of the eventing service. Buckets reach half an hour, since videos take minutes."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

SECONDS = (0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1200, 1800)

SUBMITTED = Counter("reelzero_jobs_submitted_total", "Jobs stored.", ["model", "lane", "way"])
ENDED = Counter("reelzero_jobs_ended_total", "Jobs that ended.", ["model", "lane", "status", "code"])
PUT_BACK = Counter("reelzero_jobs_put_back_total", "Jobs returned to the queue.", ["model", "lane", "code"])
ADOPTED = Counter("reelzero_results_adopted_total", "Finished files found after a lost report.", ["model"])
REUSED = Counter("reelzero_results_reused_total", "Jobs that ended with an equal job's result.", ["model"])
QUEUE = Histogram("reelzero_queue_seconds", "Submission to last claim.", ["model", "lane"], buckets=SECONDS)
COLD_START = Histogram(
    "reelzero_cold_start_seconds",
    "Claim to the first record, where the predictor loaded its weights for the job.",
    ["model", "lane"],
    buckets=SECONDS,
)
WARM_START = Histogram(
    "reelzero_warm_start_seconds",
    "Claim to the first record, where the predictor was loaded already.",
    ["model", "lane"],
    buckets=SECONDS,
)
JOB = Histogram(
    "reelzero_job_seconds", "Submission to the end.", ["model", "lane", "status"], buckets=SECONDS
)
DEPTH = Gauge("reelzero_jobs", "Jobs that have not ended.", ["model", "lane", "status"])
SLOTS = Gauge("reelzero_slots", "Jobs that can run at once: slots of each pool.", ["pool", "state"])
PAUSED = Gauge("reelzero_model_paused", "1 while a model's predictors do not start.", ["model", "lane"])
DELIVERIES = Counter("reelzero_deliveries_total", "Delivery tries.", ["destination", "outcome"])
