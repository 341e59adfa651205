"""HTTP calls to one server. An answer of 4xx or 5xx and a server that is away become exceptions."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from eventing.contract.errors import ReelzeroError, Unavailable

TRIES = 3  # of a call whose connection broke, where repeating it makes nothing twice
SAFE = frozenset({"GET", "HEAD", "PUT"})
TIMEOUT = aiohttp.ClientTimeout(total=120, sock_connect=10)
ERROR_BYTES = 64 << 10
REPEATABLE = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)


class Refused(ReelzeroError):
    """An error answer of the server: its status, code, message and field."""


class Away(Unavailable):
    """The server does not answer at its address."""


class Calls:
    """One server and the key for it. `session` is open for as long as this is used."""

    def __init__(self, session: aiohttp.ClientSession, server: str, api_key: str | None) -> None:
        self.server = server.rstrip("/")
        self._session = session
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    async def json(self, method: str, path: str, **options: Any) -> Any:
        """Return the decoded answer. A call that may be repeated is, if its connection broke."""
        _, content = await self.content(method, path, **options)
        try:
            return json.loads(content)
        except ValueError as error:
            raise Refused(f"{self.server} answered {path} without JSON; is it a reelzero server?") from error

    async def content(self, method: str, path: str, **options: Any) -> tuple[aiohttp.ClientResponse, bytes]:
        """Return the answer and its body. Raises Refused, Away."""
        safe = method in SAFE or "Idempotency-Key" in (options.get("headers") or {})
        for tries_left in reversed(range(TRIES if safe else 1)):
            try:
                async with self.open(method, path, **options) as answer:
                    return answer, await answer.read()
            except Away as error:
                broke = isinstance(error.__cause__, REPEATABLE)
                if not (tries_left and broke) or isinstance(error.__cause__, aiohttp.ClientConnectorError):
                    raise
        raise AssertionError("the last try returns or raises")

    @contextlib.asynccontextmanager
    async def open(
        self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open an answer whose body is read by the caller. Raises Refused, Away."""
        merged = {**self._headers, **(headers or {})}
        options = {"timeout": TIMEOUT, **options}
        try:
            url = self.server + path
            # A redirect could lead to another host, which must not get the key.
            async with self._session.request(
                method, url, headers=merged, allow_redirects=False, **options
            ) as answer:
                if answer.status >= 300:
                    raise await _refusal(answer)
                yield answer
        except (TimeoutError, aiohttp.ClientError, UnicodeError) as error:
            raise Away(f"{self.server} cannot be reached: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return why a connection failed, in the words of the system where it has some."""
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno:
        return os.strerror(error.os_error.errno) if error.os_error.errno > 0 else str(error.os_error.strerror)
    return str(error) or (
        "it does not answer in time" if isinstance(error, TimeoutError) else type(error).__name__
    )


async def _refusal(answer: aiohttp.ClientResponse) -> Refused:
    text = (await answer.content.read(ERROR_BYTES)).decode("utf-8", "replace")
    try:
        problem = json.loads(text)
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    if isinstance(problem.get("error"), dict):  # of /v1/videos
        error = problem["error"]
        problem = {"detail": error.get("message"), "code": error.get("code"), "field": error.get("param")}
    message = str(problem.get("detail") or f"the server answered {answer.status} {answer.reason}")
    wait = answer.headers.get("Retry-After", "")
    refused = Refused(
        message, field=problem.get("field"), retry_after=float(wait) if wait.isdigit() else None
    )
    refused.status = answer.status
    refused.code = str(problem.get("code") or "http_error")
    return refused
