"""Derive every time-out from two numbers per model: the seconds of a cold start and of a generation.

A request passes the caller, the dispatcher, the activator, the queue-proxy and the predictor. Each must wait
longer than the one after it, or a finished video is reported as failed and generated again.
docs/decisions/0003-time-from-one-budget.md explains each formula.
"""

from __future__ import annotations

from pydantic import Field

from eventing.contract.records.models import Frozen

# Knative's preStop hook holds SIGTERM back this long after it has begun to end a pod.
DRAIN_SECONDS = 30
UPLOAD_SECONDS = 60
MARGIN_SECONDS = 30
HEARTBEAT_SECONDS = 10  # between two heartbeats of a running generation
HEARTBEATS_MISSED = 3  # after which a stream is broken; fewer may be a slow network
KNATIVE_WINDOW_LIMIT = 3600  # seconds; the longest scale-down window, and the longest sane revision timeout


class Budget(Frozen):
    """Seconds a model may take to start and to generate its longest video."""

    cold_start_seconds: int = Field(gt=0)
    generation_seconds: int = Field(gt=0)

    @property
    def predictor_limit(self) -> int:
        """Return the predictor's own limit, counted from when the attempt gets the device."""
        return self.generation_seconds + UPLOAD_SECONDS

    @property
    def revision_timeout(self) -> int:
        """Return the InferenceService's `timeout`, which Knative also makes the pod's grace period."""
        return self.predictor_limit + max(self.cold_start_seconds, DRAIN_SECONDS) + MARGIN_SECONDS

    @property
    def drain_grace(self) -> int:
        """Return KServe's `grace_period`: the part of the pod's grace period after the preStop hook."""
        return self.revision_timeout - DRAIN_SECONDS

    @property
    def progress_deadline(self) -> int:
        """Return Knative's progress-deadline: how long a revision may take to become ready."""
        return max(600, self.cold_start_seconds + MARGIN_SECONDS)

    @property
    def client_timeout(self) -> int:
        """Return the dispatcher's limit on one attempt, which is longer than any limit after it."""
        return self.revision_timeout + MARGIN_SECONDS

    @property
    def pod_wait(self) -> int:
        """Return how long the dispatcher waits for a ready pod where there is no activator.

        With the predictor's own limit after it, it is shorter than `client_timeout`.
        """
        return max(self.cold_start_seconds, DRAIN_SECONDS) + MARGIN_SECONDS

    @property
    def eventing_grace(self) -> int:
        """Return the grace period of an eventing pod: time for its streams to end, then for its events."""
        return self.client_timeout + MARGIN_SECONDS
