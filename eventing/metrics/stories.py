"""Count stories and their steps. The jobs of steps are counted as jobs, by the type of the step."""

from __future__ import annotations

from eventing.contract.metrics.declare import Service, counter, histogram
from eventing.contract.telemetry import exemplar

OURS = Service.eventing
WAYS = ("rest", "event")
STATUSES = ("completed", "failed", "cancelled")

SUBMITTED = counter(OURS, "reelzero_stories_submitted_total", "Stories stored.", "way")
ENDED = counter(OURS, "reelzero_stories_ended_total", "Stories that ended, in any way.", "status")
SECONDS = histogram(OURS, "reelzero_story_seconds", "Submission of a story to its end.", "status")
REUSED = counter(
    OURS, "reelzero_story_steps_reused_total", "Steps that took the outputs of an equal one.", "step"
)


def count_end(status: str, seconds: float) -> None:
    """Count a story that has ended, and the seconds since its submission."""
    ENDED.labels(status).inc()
    SECONDS.labels(status).observe(seconds, exemplar=exemplar())


def begin_at_zero() -> None:
    """Make the series of what is known, so that their first increase can be seen."""
    for way in WAYS:
        SUBMITTED.labels(way)
    for status in STATUSES:
        ENDED.labels(status)
        SECONDS.labels(status)
