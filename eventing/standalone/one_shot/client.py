"""Send a request for a video as a CloudEvent, as an application on a Broker would."""

from __future__ import annotations

from typing import Any

from cloudevents.conversion import to_binary
from cloudevents.http import CloudEvent

from eventing.client import AsyncClient
from eventing.contract.records.events import REQUESTED


async def send_event(client: AsyncClient, source: str, request: dict[str, Any]) -> str:
    """Send a request in binary mode and return the id of its job. Raises Refused, Away."""
    attributes = {"type": REQUESTED, "source": source, "datacontenttype": "application/json"}
    headers, body = to_binary(CloudEvent(attributes, request))
    answer, _ = await client.calls.content("POST", "/events", data=body, headers=headers)
    return str(answer.headers["Location"].rpartition("/")[2])
