"""Call a predictor for one generation: POST generate_stream, then read records up to the terminal one.

How a stream can end:
    a completed record        returns the result
    a failed record           raises Failed: the predictor's own verdict
    before the first record   raises NotStarted: busy, no pod, time-out in the activator; uses up no attempt
    before the second record  raises CutAtStart: a proxy can cut it; the first two of a job use up no attempt
    later                     raises Broken: the connection ended, or no heartbeat arrived in time
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from pydantic import ValidationError

from eventing.contract.budget import Budget
from eventing.contract.codecs.stream import (
    CompletedRecord,
    FailedRecord,
    ProgressRecord,
    StreamRecord,
    stream_record,
)
from eventing.contract.codecs.validation import first_problem
from eventing.contract.records.models import Failure, Progress
from eventing.contract.telemetry import current_traceparent

LINE_LIMIT = 1 << 20  # bytes of one record
OnRecord = Callable[[Progress | None, str | None], Awaitable[None]]
OnFree = Callable[[], Awaitable[None]]


class NotStarted(Exception):
    """No predictor took the job. The code is `busy` if one was reached and runs another job."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Failed(Exception):
    """The predictor took the job and reported that it failed."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Broken(Exception):
    """The stream ended or fell silent before a terminal record, or a record is not valid."""


class CutAtStart(Broken):
    """The connection ended after the first record: a proxy cut it, or the predictor died at its start."""


class NoSpec(Exception):
    """The predictor is of 0.1.0: it takes the fields of a spec one by one. Nothing has started."""


class PredictorClient:
    """HTTP to predictors: one session for the process. `token` is REELZERO_PREDICTOR_TOKEN."""

    def __init__(self, heartbeat_timeout: float, token: str | None = None) -> None:
        self._silence = heartbeat_timeout  # seconds without a line after which a stream is broken
        self._session = aiohttp.ClientSession(
            # One connection a stream: a kept one would lead into a gateway that drains and ends in mid-job.
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            read_bufsize=LINE_LIMIT,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )

    async def close(self) -> None:
        """Close all connections. A predictor aborts the generation of a closed stream."""
        await self._session.close()

    async def stream(
        self, address: str, body: Mapping[str, Any], budget: Budget, report: OnRecord, device_free: OnFree
    ) -> CompletedRecord:
        """Run one attempt and return the record of its result.

        `report` gets the progress of each record, and None for a terminal record that is the first; with it
        the preview of the record, if it has one. `device_free` is called when the attempt leaves its device.
        Raises NotStarted, Failed, CutAtStart, Broken; NoSpec from a predictor of 0.1.0.
        """
        request = self._session.post(
            address,
            json=body,
            headers={"Accept": "text/event-stream", **_trace_headers()},
            timeout=aiohttp.ClientTimeout(total=budget.client_timeout, sock_connect=30),
            allow_redirects=False,  # a redirect could lead to an address that no setting names
        )
        records = 0
        try:
            async with request as answer:
                if answer.status != 200:
                    raise await _refusal(answer)
                async for record in self._records(answer):
                    if isinstance(record, CompletedRecord | FailedRecord):
                        if not records:
                            await report(None, None)
                        return _completed(record)
                    records += 1
                    preview = record.preview if isinstance(record, ProgressRecord) else None
                    await report(_bounded(record.progress), preview)
                    if isinstance(record, ProgressRecord) and record.device_free:
                        await device_free()
            cause: Exception | None = None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            cause = error
        reason = str(cause or "it ended without a terminal record") or type(cause).__name__
        if records == 1 and not isinstance(cause, TimeoutError):
            raise CutAtStart(f"the stream broke after its first record: {reason}") from cause
        if records:
            raise Broken(f"the stream broke: {reason}") from cause
        raise NotStarted("unreachable", f"no predictor took the job: {reason}") from cause

    async def _records(self, answer: aiohttp.ClientResponse) -> AsyncIterator[StreamRecord]:
        """Yield the records of a stream. Raises TimeoutError after a silence, Broken for a wrong record."""
        while True:
            try:
                async with asyncio.timeout(self._silence):
                    line = await answer.content.readline()
            except TimeoutError as error:
                raise TimeoutError(f"no heartbeat for {self._silence:g} s") from error
            except ValueError as error:
                raise Broken(f"a record is longer than {LINE_LIMIT} bytes") from error
            if not line:
                return
            if line.startswith(b"data:"):
                try:
                    yield stream_record.validate_json(line[5:].strip())
                except ValidationError as error:
                    problem = first_problem(error).sentence("the record")
                    raise Broken(f"a record could not be read: {problem}") from error


def _bounded(progress: Progress) -> Progress:
    """Return a progress that can be stored and shown: no step after the last, no infinite time."""
    seconds = progress.elapsed_seconds if math.isfinite(progress.elapsed_seconds) else 0.0
    step = min(progress.step, progress.total_steps)
    return progress.model_copy(update={"step": step, "elapsed_seconds": seconds})


def _completed(record: CompletedRecord | FailedRecord) -> CompletedRecord:
    if isinstance(record, FailedRecord):
        raise Failed(record.error)
    return record


def _trace_headers() -> dict[str, str]:
    traceparent = current_traceparent()
    return {"traceparent": traceparent} if traceparent else {}


async def _refusal(answer: aiohttp.ClientResponse) -> Exception:
    """Return the exception for an answer that is not 200: Failed if no retry can help, else NotStarted.

    NoSpec if the same attempt can be sent in the form of 0.1.0.
    """
    text = (await answer.content.read(4096)).decode("utf-8", "replace")
    try:
        body = json.loads(text)
    except ValueError:
        body = {}
    fields = body if isinstance(body, dict) else {}
    code, message = str(fields.get("code", "")), str(fields.get("error", text[:300]))
    if answer.status == 422 and fields.get("field") == "spec" and "unknown field" in message:
        return NoSpec(message)
    if code == "model_unavailable":
        return Failed(Failure(code=code, message=message))
    if answer.status in (400, 413, 415, 422):
        return Failed(Failure(code=code or "rejected_by_predictor", message=message))
    return NotStarted(code or f"http_{answer.status}", f"the predictor answered {answer.status}: {message}")
