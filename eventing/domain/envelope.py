"""Wrap data as a CloudEvent (1.0.2, JSON format). Pure: no clock, no network."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from eventing.contract.records.models import Frozen


def cloudevent(
    source: str, kind: str, event_id: str, subject: str, data: Frozen, traceparent: str | None,
    *, at: float | None = None, **extensions: str,
) -> dict[str, Any]:  # fmt: skip
    """Return an event of a type. `at` is its time in seconds since the epoch."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": kind,
        "subject": subject,
    }
    event |= {} if at is None else {"time": timestamp(at).isoformat().replace("+00:00", "Z")}
    event |= {"datacontenttype": "application/json", **extensions, "data": data.model_dump(mode="json")}
    return event | ({"traceparent": traceparent} if traceparent else {})


def number(sequence: int) -> str:
    """Return the number of an event as the CloudEvents sequence extension: sorts as text."""
    return f"{sequence:010d}"


def timestamp(epoch: float) -> datetime:
    """Return epoch seconds as an aware UTC time."""
    return datetime.fromtimestamp(epoch, UTC)
