"""Fetch a file by the address in a request, within bounds of size, time and redirects.

An https address is read through the address guard (contract/ssrf.py), also after each redirect. An s3 address
must be in a bucket on the operator's list, or in the own bucket; below `jobs/` and `stories/` it must be of a
job or a story of the caller. What time may heal, such as a host that does not answer, is Unavailable (503):
the caller, or a Broker, sends the request again. Everything else is InvalidRequest and names the field.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from eventing.contract.causes import cause_of
from eventing.contract.errors import InvalidRequest, StorageError, Unavailable
from eventing.contract.http.ssrf import AddressPolicy, BlockedAddress
from eventing.contract.storage.s3 import Bucket

SECONDS = 20.0  # for one file, redirects included
REDIRECTS = 3
CHUNK = 256 << 10
PASSING = frozenset({408, 425, 429})  # statuses below 500 that time heals
RETRY_AFTER = 5.0
INLINE = re.compile(r"data:[^,;]{0,127}(;[^,;]{0,127})*;base64,", re.ASCII)
OWN = re.compile(r"(?:jobs|stories)/([^/]+)/")
OwnsJob = Callable[[str], Awaitable[bool]]


class Fetcher:
    """Fetches files of `limit` bytes at most. `s3_allow` lists other buckets, as bucket or bucket/prefix."""

    def __init__(
        self, bucket: Bucket, addresses: AddressPolicy, s3_allow: tuple[str, ...], limit: int
    ) -> None:
        self._bucket = bucket
        self._addresses = addresses
        self._s3_allow = tuple(f"{entry.removeprefix('s3://').rstrip('/')}/" for entry in s3_allow)
        self._limit = limit

    async def fetch(self, field: str, address: str, owns_job: OwnsJob) -> bytes:
        """Return the file at an address. `owns_job` tells whether a job belongs to the caller.

        Raises InvalidRequest, Unavailable.
        """
        if address.startswith("data:"):
            return self._bounded(field, await asyncio.to_thread(_inline, field, address))
        if address.startswith("s3://"):
            return await self._from_s3(field, address, owns_job)
        try:
            async with asyncio.timeout(SECONDS):
                return await self._from_http(field, address)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise _unreachable(field, error) from error

    def _bounded(self, field: str, body: bytes) -> bytes:
        if len(body) > self._limit:
            raise self._too_large(field)
        return body

    def _too_large(self, field: str) -> InvalidRequest:
        return InvalidRequest(f"{field}: the file may have {self._limit} bytes at most", field=field)

    async def _from_s3(self, field: str, address: str, owns_job: OwnsJob) -> bytes:
        name, _, key = address.removeprefix("s3://").partition("/")
        if not key:
            raise InvalidRequest(f"{field}: an s3 address is s3://bucket/key", field=field)
        if {"", ".", ".."} & set(re.split(r"[/\\]", key)):  # some servers read a//b and a/./b as a/b
            raise InvalidRequest(
                f"{field}: the key of an s3 address must not have empty parts, . or .. between slashes",
                field=field,
            )
        await self._check_s3(field, name, key, owns_job)
        bucket = Bucket(replace(self._bucket.location, bucket=name))
        try:
            return await asyncio.to_thread(self._read, field, bucket, key)
        except StorageError as error:
            raise Unavailable(
                f"{field}: the bucket {name} cannot be read now", field=field, retry_after=RETRY_AFTER
            ) from error

    async def _check_s3(self, field: str, name: str, key: str, owns_job: OwnsJob) -> None:
        if f"{name}/{key}".startswith(self._s3_allow):
            return
        if name != self._bucket.name:
            raise InvalidRequest(
                f"{field}: the bucket {name[:64]} is not read here; this service reads {self._bucket.name} "
                "and what REELZERO_PICTURE_S3_ALLOW lists",
                field=field,
            )
        own = OWN.match(key)
        if key.startswith(("jobs/", "stories/")) and not (own and await owns_job(own[1])):
            raise InvalidRequest(f"{field}: there is no such file of a job of yours", field=field)

    def _read(self, field: str, bucket: Bucket, key: str) -> bytes:
        head = bucket.head(key)
        if head and head[0] > self._limit:
            raise self._too_large(field)
        # One byte more than allowed, since the object may have grown since.
        body = bucket.open(key, 0, self._limit) if head and head[0] else None
        if body is None:
            raise InvalidRequest(f"{field}: {bucket.uri(key)} is empty or missing", field=field)
        with body:
            return self._bounded(field, body.read())

    async def _from_http(self, field: str, address: str) -> bytes:
        for _ in range(REDIRECTS + 1):
            self._check_scheme(field, address)
            body, target = await self._get(field, address)
            if target is None:
                return body
            address = urljoin(address, target)
        raise InvalidRequest(f"{field}: the address redirects more than {REDIRECTS} times", field=field)

    def _check_scheme(self, field: str, address: str) -> None:
        parts = urlsplit(address)
        if not parts.hostname or "@" in parts.netloc:
            raise InvalidRequest(
                f"{field}: the address must name a host, without user name or password", field=field
            )
        if parts.scheme != "https" and not (parts.scheme == "http" and self._addresses.exempts(address)):
            raise InvalidRequest(f"{field}: only https:// addresses are fetched", field=field)

    async def _get(self, field: str, address: str) -> tuple[bytes, str | None]:
        """Return the body of one answer, or the address that it redirects to."""
        headers = {"Accept": "image/*, */*;q=0.1", "Accept-Encoding": "identity", "User-Agent": "reelzero"}
        async with (
            self._session(address) as session,
            session.get(URL(address, encoded=True), headers=headers, allow_redirects=False) as answer,
        ):
            if answer.status in (301, 302, 303, 307, 308) and "Location" in answer.headers:
                return b"", answer.headers["Location"]
            if answer.status != 200:
                raise _refused(field, answer.status)
            if (answer.content_length or 0) > self._limit:
                raise self._too_large(field)
            return await self._body(field, answer), None

    async def _body(self, field: str, answer: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in answer.content.iter_chunked(CHUNK):
            body += chunk
            if len(body) > self._limit:
                raise self._too_large(field)
        return bytes(body)

    def _session(self, address: str) -> aiohttp.ClientSession:
        """Open a session for one request: no cookies, proxies or decompression, and the guard."""
        guard = None if self._addresses.exempts(address) else self._addresses.socket
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=guard, use_dns_cache=False, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
        )


def _inline(field: str, address: str) -> bytes:
    head = INLINE.match(address)
    if not head:
        raise InvalidRequest(f"{field}: a data: address must be data:image/…;base64,…", field=field)
    try:
        return base64.b64decode(address[head.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"{field}: the data: address is not base64", field=field) from error


def _refused(field: str, status: int) -> InvalidRequest | Unavailable:
    if status >= 500 or status in PASSING:
        return Unavailable(
            f"{field}: the host of the address answered {status}; try again",
            field=field,
            retry_after=RETRY_AFTER,
        )
    return InvalidRequest(f"{field}: the host of the address answered {status}", field=field)


def _unreachable(field: str, error: Exception) -> InvalidRequest | Unavailable:
    """Return what an exception of the client means for the caller."""
    if blocked := cause_of(error, BlockedAddress):
        return InvalidRequest(f"{field}: {blocked}", field=field)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return InvalidRequest(f"{field}: the certificate of the host is not valid", field=field)
    name = cause_of(error, socket.gaierror)
    if name is not None and name.errno == socket.EAI_NONAME:
        return InvalidRequest(f"{field}: the host of the address is not known", field=field)
    if isinstance(error, aiohttp.InvalidURL) or not isinstance(error, aiohttp.ClientError | OSError):
        return InvalidRequest(f"{field}: the address cannot be read as a URL", field=field)
    late = isinstance(error, TimeoutError)
    reason = f"did not answer within {SECONDS:g} s" if late else "cannot be reached"
    return Unavailable(f"{field}: the host of the address {reason}", field=field, retry_after=RETRY_AFTER)
