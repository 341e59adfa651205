"""Count requests that were refused, and dead letters that came in."""

from __future__ import annotations

from eventing.contract.metrics.declare import Service, counter

REFUSED = counter(
    Service.eventing, "reelzero_requests_refused_total", "Requests that were refused.", "reason"
)
DEAD_LETTERS = counter(
    Service.eventing, "reelzero_dead_letters_total", "Dead letters taken from Knative's brokers."
)

REASONS = {  # by HTTP status
    400: "validation", 415: "validation", 416: "validation", 422: "validation", 413: "too_large",
    401: "unauthorized", 403: "unauthorized", 409: "conflict", 503: "unavailable",
}  # fmt: skip
QUOTA, RATE = "quota", "rate"  # both are 429: counted where they are raised


def count_refusal(status: int) -> None:
    """Count an answer, if it refuses the request. An unknown path or method is not counted."""
    if reason := REASONS.get(status):
        REFUSED.labels(reason).inc()


def begin_at_zero() -> None:
    """Make all series, so that their first increase can be seen."""
    for reason in {*REASONS.values(), QUOTA, RATE}:
        REFUSED.labels(reason)
