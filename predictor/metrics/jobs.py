"""Count and time jobs, their stages and steps, and the bytes that they upload.

KServe's own histograms end at 10 s, too short for videos; these end at half an hour.
"""

from __future__ import annotations

from eventing.contract.metrics.declare import Service, counter, gauge, histogram

OURS = Service.predictor
SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 90, 120, 180, 300, 450, 600, 900, 1200, 1800)

STAGE = histogram(
    OURS,
    "reelzero_stage_seconds",
    "Seconds spent in one stage of a generation.",
    "model",
    "stage",
    buckets=SECONDS,
)
GENERATION = histogram(
    OURS,
    "reelzero_generation_seconds",
    "Seconds of a job from its device to its end.",
    "model",
    "outcome",
    buckets=SECONDS,
)
JOBS = counter(OURS, "reelzero_predictor_jobs_total", "Jobs by how they ended.", "model", "outcome")
BUSY = counter(
    OURS, "reelzero_predictor_busy_total", "Requests refused because another job was running.", "model"
)
LOAD = gauge(OURS, "reelzero_load_seconds", "Seconds from process start to weights in memory.", "model")
RUNNING = gauge(OURS, "reelzero_predictor_running", "Jobs on the device now: 0 or 1.", "model")
STEPS = counter(OURS, "reelzero_denoise_steps_total", "Denoising steps that have ended.", "model")
STEP_RATE = gauge(
    OURS, "reelzero_denoise_steps_per_second", "Denoising steps a second of the last whole stage.", "model"
)
UPLOADED = counter(OURS, "reelzero_upload_bytes_total", "Bytes of files uploaded to S3.", "model")
WASTED = counter(
    OURS,
    "reelzero_gpu_wasted_seconds_total",
    "Busy device-seconds of attempts that made no video.",
    "model",
    "outcome",
)


def begin_at_zero(model: str) -> None:
    """Make the series of the model, so that their first increase can be seen."""
    for each in (BUSY, LOAD, RUNNING, STEPS, STEP_RATE, UPLOADED):
        each.labels(model)
    for outcome in ("completed", "cancelled", "generation_failed"):
        JOBS.labels(model, outcome)
        GENERATION.labels(model, outcome)
    WASTED.labels(model, "cancelled")
