"""The sender's side of the webhook handshake (HTTP 1.1 Web Hooks for Event Delivery, 4).

Before the first delivery a receiver is asked by OPTIONS; it consents by WebHook-Allowed-Origin, never by
its status, and may set a rate (deliveries a minute), which is kept. It is asked again after an hour.
Optional, since few receivers of Standard Webhooks know it: REELZERO_WEBHOOK_HANDSHAKE.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

KEEP_SECONDS = 3600.0
REMEMBERED = 10_000
LONGEST_WAIT = 60.0  # a delivery's lease is longer


class NoConsent(ValueError):
    """The receiver did not agree to be sent anything, or not so soon."""


@dataclass
class _Consent:
    until: float
    interval: float  # seconds between deliveries
    next: float = 0.0


class Consents:
    """What receivers agreed to, in this process. `origin` names us, as in WebHook-Request-Origin."""

    def __init__(self, public_url: str) -> None:
        self.origin = urlsplit(public_url).hostname or "reelzero"
        self._given: OrderedDict[str, _Consent] = OrderedDict()

    def headers(self) -> dict[str, str]:
        """What every delivery repeats."""
        return {"WebHook-Request-Origin": self.origin}

    async def wait(self, session: aiohttp.ClientSession, url: str) -> None:
        """Return when a delivery may be sent. Raises NoConsent, aiohttp.ClientError."""
        consent = self._given.get(url)
        if consent is None or consent.until < time.monotonic():
            consent = self._given[url] = await self._ask(session, url)
            while len(self._given) > REMEMBERED:
                self._given.popitem(last=False)
        start = max(consent.next, time.monotonic())
        pause = start - time.monotonic()
        if pause > LONGEST_WAIT:
            raise NoConsent("the receiver's WebHook-Allowed-Rate is used up for now")
        consent.next = start + consent.interval
        await asyncio.sleep(pause)

    async def _ask(self, session: aiohttp.ClientSession, url: str) -> _Consent:
        async with session.options(url, headers=self.headers(), allow_redirects=False) as answer:
            allowed = answer.headers.get("WebHook-Allowed-Origin", "")
            rate = answer.headers.get("WebHook-Allowed-Rate", "*")
        if allowed not in ("*", self.origin):
            raise NoConsent(f"the receiver does not consent to deliveries from {self.origin}")
        interval = 60 / int(rate) if rate.isascii() and rate.isdigit() and int(rate) else 0.0
        return _Consent(time.monotonic() + KEEP_SECONDS, interval)
