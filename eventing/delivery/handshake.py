"""Ask webhook receivers for permission (HTTP 1.1 Web Hooks for Event Delivery, section 4).

Before the first delivery to a URL the sender asks for permission by OPTIONS. Only the header
WebHook-Allowed-Origin grants it; the status does not count. WebHook-Allowed-Rate limits the deliveries per
minute. A permission holds for an hour. The handshake is off by default (REELZERO_WEBHOOK_HANDSHAKE), because
few receivers of Standard Webhooks implement it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from eventing.delivery.connections import exact_url

PERMISSION_SECONDS = 3600.0
MAX_PERMISSIONS = 10_000
MAX_WAIT_SECONDS = 60.0  # shorter than the lease of a delivery


class HandshakeRefused(ValueError):
    """The receiver permits no delivery, or none at this time."""


@dataclass
class _Permission:
    until: float
    interval: float  # seconds between deliveries
    next_at: float = 0.0


class Handshakes:
    """The permissions that this process has. `origin` is sent as WebHook-Request-Origin."""

    def __init__(self, public_url: str) -> None:
        self.origin = urlsplit(public_url).hostname or "reelzero"
        self._permissions: OrderedDict[str, _Permission] = OrderedDict()

    def headers(self) -> dict[str, str]:
        """Return the headers that every delivery carries."""
        return {"WebHook-Request-Origin": self.origin}

    async def wait(self, session: aiohttp.ClientSession, url: str) -> None:
        """Wait until a delivery may be sent. Raises HandshakeRefused, aiohttp.ClientError."""
        permission = await self._permission(session, url)
        start = max(permission.next_at, time.monotonic())
        pause = start - time.monotonic()
        if pause > MAX_WAIT_SECONDS:
            raise HandshakeRefused("the receiver's WebHook-Allowed-Rate allows no delivery for now")
        permission.next_at = start + permission.interval
        await asyncio.sleep(pause)

    async def _permission(self, session: aiohttp.ClientSession, url: str) -> _Permission:
        permission = self._permissions.get(url)
        if permission is None or permission.until < time.monotonic():
            permission = self._permissions[url] = await self._request(session, url)
            while len(self._permissions) > MAX_PERMISSIONS:
                self._permissions.popitem(last=False)
        return permission

    async def _request(self, session: aiohttp.ClientSession, url: str) -> _Permission:
        request = session.options(exact_url(url), headers=self.headers(), allow_redirects=False)
        async with request as answer:
            origin = answer.headers.get("WebHook-Allowed-Origin", "")
            rate = answer.headers.get("WebHook-Allowed-Rate", "*")
        if origin not in ("*", self.origin):
            raise HandshakeRefused(f"the receiver does not permit deliveries from {self.origin}")
        interval = 60 / int(rate) if rate.isascii() and rate.isdigit() and int(rate) else 0.0
        return _Permission(time.monotonic() + PERMISSION_SECONDS, interval)
