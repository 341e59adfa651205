"""A client of the service: sends a CloudEvent, follows server-sent progress, downloads the result."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from cloudevents.conversion import to_binary
from cloudevents.http import CloudEvent

from eventing.contract.errors import ReelzeroError, StorageError, Unavailable
from eventing.contract.events import REQUESTED

CHUNK = 1 << 18
ENDS = ("completed", "failed", "cancelled")


class Refused(ReelzeroError):
    """An error response of the service, with its code and field."""


@dataclass(frozen=True)
class Update:
    """One server-sent event of a job: its name and its JSON."""

    name: str
    data: dict[str, Any]

    @property
    def is_end(self) -> bool:
        """Tell whether the job has ended; `data` is then the job."""
        return self.name in ENDS


class ServiceClient:
    """Calls one service. Every method raises Refused, or Unavailable if the service cannot be reached."""

    def __init__(self, session: aiohttp.ClientSession, url: str, api_key: str | None = None) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    async def submit(self, source: str, request: dict[str, Any]) -> str:
        """Send a request as a CloudEvent in binary mode and return the id of its job."""
        attributes = {"type": REQUESTED, "source": source, "datacontenttype": "application/json"}
        headers, body = to_binary(CloudEvent(attributes, request))
        async with self._call("POST", "/events", data=body, headers=headers) as answer:
            return answer.headers["Location"].rpartition("/")[2]

    async def follow(self, job_id: str) -> AsyncIterator[Update]:
        """Yield updates; the last is the end of the job. Raises Unavailable if the stream breaks off."""
        endless = aiohttp.ClientTimeout(total=None, sock_read=60)
        async with self._call("GET", f"/v1/jobs/{job_id}/events", timeout=endless) as answer:
            name = ""
            async for line in answer.content:
                key, _, value = line.decode().rstrip("\n").partition(": ")
                if key == "event":
                    name = value
                elif key == "data":
                    update = Update(name, json.loads(value))
                    yield update
                    if update.is_end:
                        return
        raise Unavailable("the progress of the job broke off")

    async def job(self, job_id: str) -> dict[str, Any]:
        """Return the job as it is now."""
        return await self._json("GET", f"/v1/jobs/{job_id}")

    async def cancel(self, job_id: str) -> dict[str, Any]:
        """Request the job's end and return the job as it is then."""
        return await self._json("DELETE", f"/v1/jobs/{job_id}")

    async def result(self, job_id: str) -> dict[str, Any]:
        """Return `url` (presigned), `uri` and `result` of a completed job."""
        return await self._json("GET", f"/v1/jobs/{job_id}/result", headers={"Accept": "application/json"})

    async def download(self, job_id: str, path: Path, sha256: str) -> None:
        """Download the job's video to `path`, whole or not at all.

        Raises StorageError if the checksum differs, OSError if the file cannot be written.
        """
        part = path.with_name(f".{path.name}.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        try:
            async with self._call("GET", f"/v1/jobs/{job_id}/result") as answer:
                with part.open("wb") as file:
                    async for chunk in answer.content.iter_chunked(CHUNK):
                        digest.update(chunk)
                        file.write(chunk)
                    file.flush()
                    os.fsync(file.fileno())
            if digest.hexdigest() != sha256:
                raise StorageError(f"the video of {job_id} was damaged in transit: its checksum differs")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    async def _json(self, method: str, path: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
        async with self._call(method, path, headers=headers) as answer:
            body: dict[str, Any] = await answer.json()
            return body

    @contextlib.asynccontextmanager
    async def _call(
        self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        merged = {**self._headers, **(headers or {})}
        try:
            async with self._session.request(method, self._url + path, headers=merged, **options) as answer:
                if answer.status >= 400:
                    raise await _refusal(answer)
                yield answer
        except (TimeoutError, aiohttp.ClientError) as error:
            raise Unavailable(f"{self._url} cannot be reached: {error or type(error).__name__}") from error


async def _refusal(answer: aiohttp.ClientResponse) -> Refused:
    text = (await answer.content.read(4096)).decode("utf-8", "replace")
    try:
        problem = json.loads(text)
    except ValueError:
        problem = {}
    refused = Refused(
        problem.get("detail") or f"the service answered {answer.status}", field=problem.get("field")
    )
    refused.code = problem.get("code", "http_error")
    return refused
