"""Read incoming CloudEvents with their owners, for `/events` and `/events/dead-letter`.

The owner is that of the key or token, else the one that the settings give for the source. A producer cannot
choose the owner.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from eventing.api.callers.auth import RateLimit, anonymous_owner, identify
from eventing.api.dependencies import Container
from eventing.contract.codecs import cloudevent
from eventing.contract.codecs.cloudevent import Event
from eventing.contract.errors import Unauthorized
from eventing.settings import pairs


@dataclass(frozen=True)
class Incoming:
    """An event, unchecked, and its owner. The owner is None if the sender may not submit events."""

    event: Event
    owner: str | None
    max_priority: int

    def accountable(self) -> str:
        """Return the owner. Raises MalformedRequest for an event without a source, Unauthorized."""
        if self.owner is None:
            cloudevent.check(self.event)
            source = self.event["source"]
            raise Unauthorized(
                f"events from {source} need an API key, or REELZERO_TRUSTED_SOURCES must list the source"
            )
        return self.owner


async def incoming(request: Request, container: Container) -> list[Incoming]:
    """Return the events of a request, after counting them against the rate of their owners.

    The key is checked before the body is read. Raises Unauthorized, MalformedRequest, UnsupportedMedia,
    TooMany and TooLarge, all of them for the request as a whole.
    """
    caller = await identify(request, container)
    anonymous, trusted = anonymous_owner(container), pairs(container.settings.trusted_sources)
    if caller is None and anonymous is None and not trusted:
        raise Unauthorized("events need an API key: Authorization: Bearer rz_…")
    events = cloudevent.decode(await request.body(), dict(request.headers))
    # A trusted source keeps its owner, also if callers without a key are allowed.
    owners = [caller or trusted.get(str(event.get("source"))) or anonymous for event in events]
    limit: RateLimit = request.app.state.rate_limit
    limit.take(*filter(None, owners))
    most = request.state.max_priority if caller or anonymous else 0
    return [Incoming(event, owner, most) for event, owner in zip(events, owners, strict=True)]
