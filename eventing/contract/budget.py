"""Every time-out of the chain, derived from two numbers per model: cold start and generation.

caller ─ dispatcher ─ activator ─ queue-proxy ─ predictor: each hop must outlast the one behind it, or a
finished video is reported as failed and generated again. The formulas and why they hold:
docs/decisions/0003-time-from-one-budget.md.
"""

from __future__ import annotations

from dataclasses import dataclass

DRAIN_SECONDS = (
    30  # Knative's preStop hold: SIGTERM reaches the predictor this long after the pod's end began
)
UPLOAD_SECONDS = 60
MARGIN_SECONDS = 30
HEARTBEAT_SECONDS = 10  # how often a predictor that is busy says so
HEARTBEATS_MISSED = 3  # this many missing are a broken stream; fewer may be a slow network
KNATIVE_WINDOW_LIMIT = 3600  # scale-down windows and the largest sane revision timeout end at one hour


@dataclass(frozen=True)
class Budget:
    """Seconds a model may take to start and to generate its longest video."""

    cold_start: int
    generation: int

    @property
    def predictor_limit(self) -> int:
        """The predictor's own limit, counted from the moment it takes its device."""
        return self.generation + UPLOAD_SECONDS

    @property
    def revision_timeout(self) -> int:
        """InferenceService `timeout`; also the pod's grace period (Knative makes them equal)."""
        return self.predictor_limit + max(self.cold_start, DRAIN_SECONDS) + MARGIN_SECONDS

    @property
    def drain_grace(self) -> int:
        """KServe's `grace_period`: what is left of the pod's grace after the preStop hold."""
        return self.revision_timeout - DRAIN_SECONDS

    @property
    def progress_deadline(self) -> int:
        """Knative's progress-deadline: a revision may take this long to become ready."""
        return max(600, self.cold_start + MARGIN_SECONDS)

    @property
    def client_timeout(self) -> int:
        """The dispatcher's limit on one attempt: longer than anything behind it."""
        return self.revision_timeout + MARGIN_SECONDS

    @property
    def eventing_grace(self) -> int:
        """The grace of an eventing pod: its streams end by `client_timeout`, then events still go out."""
        return self.client_timeout + MARGIN_SECONDS
