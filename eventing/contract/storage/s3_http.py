"""Read and write small objects in S3 without a thread: signed by botocore, sent by aiohttp.

boto3 takes three to four times the processor time for a call, and a thread for its whole length. What goes
wrong here (a refusal, a cut connection, a redirect to another region) is repeated by boto3, which knows how
to retry and words the error. For PAUSE seconds after such a failure all calls go to boto3.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import boto3
import botocore.session
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError as RefusedByCloud
from botocore.httpsession import ProxyConfiguration, where
from botocore.utils import get_environ_proxies
from yarl import URL

from eventing.contract.metrics.calls import S3_SECONDS
from eventing.contract.storage.s3 import Bucket

PAUSE = 30.0
CHUNK = 256 << 10
# Short: boto3 has the long ones. Total has no limit, since an object may be large.
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=10)
OPERATIONS = {"GET": "GetObject", "PUT": "PutObject"}  # as botocore names them
AS_STORED = {"Accept-Encoding": "identity"}
# Among them what botocore raises when credentials cannot be renewed: a refusal, and a RuntimeError.
FAILURES = (
    aiohttp.ClientError, BotoCoreError, RefusedByCloud, OSError, RuntimeError, TimeoutError, ValueError,
)  # fmt: skip
log = logging.getLogger(__name__)


class _Refused(OSError):
    """The server answered something else than 200, or there are no credentials."""


@dataclass(frozen=True)
class Digest:
    """The size of an object in bytes, its content type and the SHA-256 of its bytes."""

    size: int
    content_type: str
    sha256: str


class ObjectClient:
    """One bucket, for asyncio. Every call raises StorageError."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._signer = _Signer(bucket)
        self._session: aiohttp.ClientSession | None = None
        self._pause_until = 0.0

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def put(self, key: str, body: bytes, content_type: str) -> None:
        """Write an object, or replace it."""
        try:
            async with self._request("PUT", key, body, {"Content-Type": content_type}):
                return
        except FAILURES as error:
            self._step_back(error)
        await asyncio.to_thread(self.bucket.put, key, body, content_type)

    async def get(self, key: str) -> bytes | None:
        """Return an object's bytes; None if there is no object."""
        try:
            async with self._request("GET", key) as answer:
                return await answer.read()
        except FAILURES as error:
            self._step_back(error)
        return await asyncio.to_thread(self.bucket.get, key)

    async def digest(self, key: str, size: int) -> Digest | None:
        """Return what an object is; None if there is no object.

        The bytes are read only if there are `size` of them; the checksum is empty otherwise.
        """
        try:
            async with self._request("GET", key) as answer:
                return await _digest(answer, size)
        except FAILURES as error:
            self._step_back(error)
        return await asyncio.to_thread(self._digest_in_thread, key, size)

    @asynccontextmanager
    async def _request(
        self, method: str, key: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request; give its answer if that is 200. Raises one of FAILURES."""
        if time.monotonic() < self._pause_until:
            raise _Refused("S3 is used by way of boto3 for a while")
        begin = time.monotonic()
        url, signed = await self._signer.sign(method, key, body, headers or {})
        if self._session is None:
            self._session = _session(url)
        request = self._session.request(
            method, URL(url, encoded=True), data=body or None, headers=signed, allow_redirects=False
        )
        async with request as answer:
            if answer.status != 200:
                raise _Refused(f"S3 answered {answer.status}")
            yield answer
        S3_SECONDS.labels(OPERATIONS[method]).observe(time.monotonic() - begin)

    def _step_back(self, error: Exception) -> None:
        """Leave the next calls to boto3. A missing object is no failure."""
        if time.monotonic() < self._pause_until or str(error) == "S3 answered 404":
            return
        log.info("S3 is used by way of boto3 for %g s: %s", PAUSE, error or type(error).__name__)
        self._pause_until = time.monotonic() + PAUSE

    def _digest_in_thread(self, key: str, size: int) -> Digest | None:
        head = self.bucket.head(key)
        if head is None:
            return None
        body = self.bucket.open(key, 0, size - 1) if size and head[0] == size else None
        if body is None:
            return Digest(*head, "")
        digest = hashlib.sha256()
        for chunk in body.iter_chunks(CHUNK):
            digest.update(chunk)
        return Digest(*head, digest.hexdigest())


class _Signer:
    """Signs requests (AWS Signature Version 4) with the credentials of the standard chain."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._base = ""  # URL of the bucket
        self._credentials: Any = None
        self._lock = asyncio.Lock()

    async def sign(
        self, method: str, key: str, body: bytes, headers: dict[str, str]
    ) -> tuple[str, dict[str, str]]:
        """Return the URL and all headers of a request."""
        if not self._base:
            async with self._lock:
                await asyncio.to_thread(self._find)
        request = AWSRequest(method, self._base + quote(key, safe="/~"), headers, body)
        request.headers["X-Amz-Content-SHA256"] = hashlib.sha256(body).hexdigest()
        S3SigV4Auth(await self._frozen(), "s3", self._bucket.location.region).add_auth(request)
        return request.url, dict(request.headers.items()) | AS_STORED

    def _find(self) -> None:
        """Look up the credentials, which may ask a server of the cloud, and the address of the bucket."""
        self._credentials = boto3.session.Session().get_credentials()
        if self._credentials is None:
            raise _Refused("there are no credentials")
        self._base = self._bucket.address()

    async def _frozen(self) -> Any:
        """Return credentials that are valid now; renewing them asks a server of the cloud."""
        is_due = getattr(self._credentials, "refresh_needed", None)
        if is_due and is_due():
            return await asyncio.to_thread(self._credentials.get_frozen_credentials)
        return self._credentials.get_frozen_credentials()


def _session(url: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        timeout=TIMEOUT,
        connector=aiohttp.TCPConnector(limit=0, ssl=_tls() if url.startswith("https:") else True),
        cookie_jar=aiohttp.DummyCookieJar(),
        # The proxy of boto3. With trust_env aiohttp would also read .netrc, in a thread for every request,
        # and refuse to send a signature to a host that has a password there.
        proxy=ProxyConfiguration(get_environ_proxies(url)).proxy_url_for(url),
        auto_decompress=False,
    )


def _tls() -> ssl.SSLContext:
    """Return a context that trusts the authorities that boto3 trusts."""
    chosen = botocore.session.get_session().get_config_variable("ca_bundle")
    return ssl.create_default_context(cafile=chosen or os.environ.get("REQUESTS_CA_BUNDLE") or where())


async def _digest(answer: aiohttp.ClientResponse, size: int) -> Digest:
    length, kind = int(answer.headers.get("Content-Length", -1)), answer.headers.get("Content-Type", "")
    if length != size or not size:
        answer.close()
        return Digest(length, kind, "")
    digest = hashlib.sha256()
    async for chunk in answer.content.iter_chunked(CHUNK):
        digest.update(chunk)
    return Digest(length, kind, digest.hexdigest())
