"""Send one message to its destination: the sink, a webhook (signed in signing.py) or S3.

Sending never raises. It returns a Try: the outcome, and whether another try makes sense.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp

from eventing.contract.causes import cause_of
from eventing.contract.errors import StorageError
from eventing.contract.http.ssrf import AddressPolicy, BlockedAddress
from eventing.contract.storage.s3_http import ObjectClient
from eventing.delivery.connections import exact_url, session
from eventing.delivery.handshake import Handshakes
from eventing.delivery.signing import openrouter_headers, signature_headers
from eventing.delivery.sink_binding import SinkBinding
from eventing.delivery.tracing import trace_headers
from eventing.domain.callbacks import OPENROUTER
from eventing.domain.destinations import S3Object, Sink, Webhook
from eventing.settings import Settings
from eventing.store.outbox import OutboxMessage, Try

JSON_EVENT = "application/cloudevents+json"
GONE = 410
MAX_RETRY_AFTER = 86400.0
log = logging.getLogger(__name__)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read a Retry-After header (RFC 9110, 10.2.3: seconds or a date) as seconds, at most a day."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), MAX_RETRY_AFTER)
    try:
        wait = parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(wait, 0.0), MAX_RETRY_AFTER)


class Sender:
    """Sends messages. `binding` tells how the sink is reached."""

    def __init__(self, settings: Settings, objects: ObjectClient, binding: SinkBinding) -> None:
        self._settings = settings
        self._objects = objects
        self._binding = binding
        self._addresses = AddressPolicy(settings.webhook_allow)
        self._handshakes = Handshakes(settings.public_url)
        seconds = settings.webhook_timeout_seconds
        self._sink = session(seconds, reuse=True)
        self._exempt = session(seconds, reuse=False)  # for webhooks on the operator's list
        self._webhook = session(
            seconds, reuse=False, socket_factory=self._addresses.socket, use_dns_cache=False
        )

    async def close(self) -> None:
        """Close connections."""
        for each in (self._sink, self._exempt, self._webhook):
            await each.close()

    async def send(self, message: OutboxMessage) -> Try:
        """Deliver a message. Never raises."""
        start = time.monotonic()
        try:
            outcome = await self._send(message, start)
        except StorageError as error:
            return Try(False, time.monotonic() - start, error=error.message)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            refusal = cause_of(error, BlockedAddress)
            text = str(refusal or error) or type(error).__name__
            return Try(False, time.monotonic() - start, error=text, final=refusal is not None)
        except Exception as error:
            log.exception("a message could not be sent", extra={"event_id": message.event_id})
            return Try(False, time.monotonic() - start, error=f"an internal error: {type(error).__name__}")
        return outcome

    async def take_back(self, target: S3Object) -> None:
        """Delete an object that was written while its job was being deleted. Raises StorageError."""
        await asyncio.to_thread(self._objects.bucket.delete, target.key)

    async def _send(self, message: OutboxMessage, start: float) -> Try:
        match message.destination:
            case S3Object(key):
                await self._objects.put(key, message.body.encode(), JSON_EVENT)
                return Try(True, time.monotonic() - start)
            case Sink():
                return await self._send_to_sink(message, start)
            case Webhook(url):
                return await self._send_webhook(url, message, start)

    async def _send_to_sink(self, message: OutboxMessage, start: float) -> Try:
        url, extensions = self._binding.url or "", self._binding.extensions
        body = json.dumps(json.loads(message.body) | extensions) if extensions else message.body
        tls = self._binding.tls() if url.lower().startswith("https:") else True
        return await self._post(self._sink, url, body, self._binding.headers(), start, tls)

    async def _send_webhook(self, url: str, message: OutboxMessage, start: float) -> Try:
        client = self._exempt if self._addresses.exempts(url) else self._webhook
        if self._settings.webhook_handshake:
            await self._handshakes.wait(client, url)
        secrets = self._settings.webhook_secrets
        now = datetime.now(UTC)
        headers = signature_headers(secrets, message.id, message.body, now)
        if message.body.startswith(OPENROUTER):
            headers |= openrouter_headers(secrets, message.id, message.body, now)
        headers |= self._handshakes.headers()
        return await self._post(client, url, message.body, headers, start)

    async def _post(
        self, client: aiohttp.ClientSession, url: str, body: str, headers: dict[str, str], start: float,
        tls: ssl.SSLContext | bool = True,
    ) -> Try:  # fmt: skip
        kind = JSON_EVENT if '"specversion"' in body[:200] else "application/json"
        ours = {"Content-Type": f"{kind}; charset=utf-8", "User-Agent": "reelzero", **trace_headers()}
        headers = ours | headers
        request = client.post(
            exact_url(url), data=body.encode(), headers=headers, allow_redirects=False, ssl=tls
        )
        async with request as answer:
            status = answer.status
            seconds = time.monotonic() - start
            if 200 <= status < 300:
                return Try(True, seconds, status)
            error = f"the receiver answered {status}"
            return Try(
                False, seconds, status, error, final=status == GONE, retry_after=retry_after(answer.headers)
            )
