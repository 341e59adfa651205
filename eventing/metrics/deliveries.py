"""Count and time tries to deliver events. A destination is a kind (sink, webhook, s3), never an address."""

from __future__ import annotations

from eventing.contract.metrics.declare import CALL_SECONDS, Service, counter, histogram
from eventing.contract.telemetry import exemplar

OURS = Service.eventing

DELIVERIES = counter(OURS, "reelzero_deliveries_total", "Delivery tries.", "destination", "outcome")
SECONDS = histogram(
    OURS, "reelzero_delivery_seconds", "One delivery try.", "destination", "outcome", buckets=CALL_SECONDS
)
LAG = histogram(
    OURS, "reelzero_delivery_lag_seconds", "From an event to its delivery, over all tries.", "destination"
)

KINDS = ("sink", "webhook", "s3")
OUTCOMES = ("delivered", "failed", "dead")  # failed: it is tried again, if it is no progress event


def count_try(destination: str, outcome: str, seconds: float, age: float) -> None:
    """Count a try that took some seconds, of a message of some age in seconds."""
    DELIVERIES.labels(destination, outcome).inc()
    SECONDS.labels(destination, outcome).observe(seconds, exemplar=exemplar())
    if outcome == "delivered":
        LAG.labels(destination).observe(max(0.0, age), exemplar=exemplar())


def begin_at_zero() -> None:
    """Make all series, so that their first increase can be seen."""
    for destination in KINDS:
        LAG.labels(destination)
        for outcome in OUTCOMES:
            DELIVERIES.labels(destination, outcome)
            SECONDS.labels(destination, outcome)
