"""Make the series of what is known at the start: a series that begins at 0 shows its first increase."""

from __future__ import annotations

from collections.abc import Iterable

from eventing.metrics import database, deliveries, jobs, requests, stories


def begin_at_zero(routes: Iterable[tuple[str, str]]) -> None:
    """Make the series of these pairs of model and lane, and of every kind of delivery and refusal."""
    for model, lane in routes:
        jobs.begin_at_zero(model, lane)
    deliveries.begin_at_zero()
    requests.begin_at_zero()
    stories.begin_at_zero()
    database.begin_at_zero()
