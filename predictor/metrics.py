"""Define the predictor's Prometheus metrics, on the registry that KServe's `/metrics` serves.

KServe's own histograms end at 10 s, too short for videos; these end at half an hour.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 90, 120, 180, 300, 450, 600, 900, 1200, 1800)

stage_seconds = Histogram(
    "reelzero_stage_seconds",
    "Seconds spent in one stage of a generation.",
    ["model", "stage"],
    buckets=SECONDS,
)
generation_seconds = Histogram(
    "reelzero_generation_seconds",
    "Seconds of a job from its device to its end.",
    ["model", "outcome"],
    buckets=SECONDS,
)
jobs = Counter("reelzero_predictor_jobs", "Jobs by how they ended.", ["model", "outcome"])
busy = Counter("reelzero_predictor_busy", "Requests refused because another job was running.", ["model"])
load_seconds = Gauge("reelzero_load_seconds", "Seconds from process start to weights in memory.", ["model"])
running = Gauge("reelzero_predictor_running", "Jobs on the device now: 0 or 1.", ["model"])
