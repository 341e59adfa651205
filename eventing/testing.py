"""Fakes that ship with the product, for tests of what is around them.

`FakePredictor` sends the predictor's stream without torch. `tests/integration/test_predictor_contract.py`
runs the real predictor through the same cases, so the fake cannot drift from it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from aiohttp import web

from eventing.contract.codecs.stream import (
    Address,
    Assignment,
    CompletedRecord,
    FailedRecord,
    GenerateBody,
    HeartbeatRecord,
    ProgressRecord,
)
from eventing.contract.errors import StorageError
from eventing.contract.records.models import Failure, Frozen, GenerationSpec, Progress, Stage
from eventing.contract.records.results import (
    Manifest,
    Sound,
    StoredFile,
    Timings,
    VideoResult,
    attempt_prefix,
    manifest_key,
)
from eventing.contract.storage.s3 import Bucket

DENOISE = Progress(stage=Stage.denoise, step=1, total_steps=2)
AFTER_DENOISE = (Stage.decode, Stage.encode_video, Stage.upload)
Hook = Callable[[str, str], Awaitable[None]]
Lie = Callable[[VideoResult], VideoResult]


async def _nothing(_stage: str, _job_id: str) -> None:
    """Hold nowhere."""


@dataclass
class Script:
    """What the fake does with one request. `gate` holds it in mid-generation until it is set."""

    status: int = 200
    code: str = ""
    failure: Failure | None = None
    break_after: int | None = None  # records, then the connection is cut
    lose_report: bool = False  # the manifest is written, the stream is cut
    late: bool = False  # the stream is cut, the manifest comes later (once `on_stage("late")` returns)
    lie: Lie | None = None  # makes the manifest and the record wrong
    misreport: Lie | None = None  # makes only the record wrong
    no_manifest: bool = False
    location: str = ""  # where the answer redirects to
    progress: Progress | None = None  # sent instead of the first step
    at_once: bool = False  # the first record is the terminal one
    preview: bytes | None = None  # a JPEG that comes with the first step
    heartbeats: int = 0
    gate: asyncio.Event | None = None


HONEST = Script()


@dataclass
class FakePredictor:
    """An HTTP server on a loopback port. `scripts` are used up one per request; then all succeed.

    Like the real one it has one device: a second request is answered 503 `busy` at once. `on_stage` hears
    (stage, job id) before the work of each stage, and may hold it.
    """

    bucket: Bucket | None = None
    scripts: list[Script] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    busy: int = 0  # requests that found the device taken
    draining: bool = False
    known: frozenset[str] | None = None  # refuse other parameters, as an older release does
    running: int = 0
    most_at_once: int = 0
    host: str = "127.0.0.1"
    port: int = 0
    url: str = ""
    on_start: Callable[[str], None] | None = None
    on_stage: Hook = _nothing

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/v2/models/{model}/generate_stream", self._generate)
        app.router.add_get("/v2/models/{model}/ready", self._ready)
        # Like the real one: a closed connection ends the work at once.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        self._late: set[asyncio.Task[VideoResult]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, reuse_address=True)
        await site.start()
        self.url = f"http://{self.host}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def drain(self) -> None:
        """Take no more jobs; return when the running one has ended."""
        self.draining = True
        await self._idle.wait()

    async def _ready(self, _: web.Request) -> web.Response:
        return web.json_response({"ready": not self.draining}, status=503 if self.draining else 200)

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        body = GenerateBody.model_validate(await request.json())
        if unknown := sorted(body.parameters.keys() - (self.known or body.parameters.keys())):
            problem = {"error": f"{unknown[0]}: unknown field", "field": unknown[0]}
            return web.json_response(problem, status=422)
        assignment = body.assignment() or _flat(body, request.match_info["model"])
        if refusal := self._refusal():
            return web.json_response({"error": "no", "code": refusal}, status=503)
        self.requests.append({"model": request.match_info["model"], **body.model_dump(mode="json")})
        script = self.scripts.pop(0) if self.scripts else Script()
        if script.status != 200:
            headers = {"Location": script.location} if script.location else {}
            problem = {"error": "no", "code": script.code}
            return web.json_response(problem, status=script.status, headers=headers)
        self._take(assignment)
        try:
            answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await answer.prepare(request)
            async for record in self._records(assignment, script):
                await answer.write(f"data: {record.model_dump_json()}\n\n".encode())
        except (asyncio.CancelledError, ConnectionError):
            self.aborted.append(assignment.job_id)
            raise
        finally:
            self._leave(assignment)
        return answer

    def _refusal(self) -> str | None:
        if self.draining:
            return "unavailable"
        self.busy += self.running
        return "busy" if self.running else None

    def _take(self, assignment: Assignment) -> None:
        if self.on_start:
            self.on_start(assignment.job_id)
        self._idle.clear()
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)

    def _leave(self, _assignment: Assignment) -> None:
        self.running -= 1
        self._idle.set()

    async def _records(self, assignment: Assignment, script: Script) -> AsyncIterator[Frozen]:
        """Yield the records up to the terminal one, and do the work between them."""
        sent = 0
        async for record in self._work(assignment, script):
            if sent == script.break_after:
                return
            yield record
            sent += 1
            if isinstance(record, ProgressRecord):
                await self.on_stage(record.progress.stage.value, assignment.job_id)

    async def _work(self, assignment: Assignment, script: Script) -> AsyncIterator[Frozen]:
        if script.at_once:
            yield CompletedRecord(result=await self._finish(assignment, script))
            return
        yield ProgressRecord(progress=Progress(stage=Stage.encode_prompt))
        try:
            if earlier := await self._find(assignment):
                yield CompletedRecord(result=earlier)
                return
            preview = base64.b64encode(script.preview).decode() if script.preview else None
            yield ProgressRecord(progress=script.progress or DENOISE, preview=preview)
            for _ in range(script.heartbeats):
                yield HeartbeatRecord(progress=DENOISE)
            if script.gate:
                await script.gate.wait()
            if script.failure:
                yield FailedRecord(error=script.failure)
                return
            for stage in AFTER_DENOISE:
                yield ProgressRecord(progress=Progress(stage=stage))
            if last := await self._end(assignment, script):
                yield last
        except StorageError as error:
            yield FailedRecord(error=Failure(code=error.code, message=error.message, retryable=True))

    async def _end(self, assignment: Assignment, script: Script) -> Frozen | None:
        """Return the terminal record, unless the script withholds it."""
        if script.late:
            finishing = asyncio.create_task(self._finish_late(assignment))
            self._late.add(finishing)
            finishing.add_done_callback(self._late.discard)
            return None
        result = await self._finish(assignment, script)
        await self.on_stage("after_upload", result.job_id)
        return None if script.lose_report else CompletedRecord(result=result)

    async def _finish_late(self, assignment: Assignment) -> VideoResult:
        await self.on_stage("late", assignment.job_id)
        return await self._finish(assignment)

    async def _find(self, assignment: Assignment) -> VideoResult | None:
        """Return the result of an earlier run of this attempt."""
        if self.bucket is None:
            return None
        key = manifest_key(assignment.job_id, assignment.attempt)
        manifest = await asyncio.to_thread(self.bucket.get, key)
        return None if manifest is None else Manifest.model_validate_json(manifest).result

    async def _finish(self, assignment: Assignment, script: Script = HONEST) -> VideoResult:
        spec = assignment.spec
        result = fake_result(spec, assignment.job_id, assignment.attempt, self.bucket)
        if script.lie or script.no_manifest:
            return await asyncio.to_thread(self._lie, spec, result, script)
        if self.bucket and not await asyncio.to_thread(self._store, spec, result):
            return await self._find(assignment) or result  # another run was first
        return script.misreport(result) if script.misreport else result

    def _lie(self, spec: GenerationSpec, result: VideoResult, script: Script) -> VideoResult:
        """Store the files as they are, with a wrong manifest or none; return what to report."""
        assert self.bucket is not None  # noqa: S101 -- lies are about a bucket
        self._store_files(result)
        if script.lie:
            result, address = script.lie(result), manifest_key(result.job_id, result.attempt)
            self.bucket.put(address, _manifest(spec, result), "application/json")
        return result

    def _store(self, spec: GenerationSpec, result: VideoResult) -> bool:
        assert self.bucket is not None  # noqa: S101 -- the caller checked
        self._store_files(result)
        key = manifest_key(result.job_id, result.attempt)
        return self.bucket.put_once(key, _manifest(spec, result), "application/json")

    def _store_files(self, result: VideoResult) -> None:
        assert self.bucket is not None  # noqa: S101 -- the caller checked
        for file in (result.video, result.poster, result.spritesheet):
            body = _content(result.job_id, result.attempt, file.uri.rpartition("/")[2])
            self.bucket.put(self.bucket.key(file.uri), body, file.content_type)


def _manifest(spec: GenerationSpec, result: VideoResult) -> bytes:
    manifest = Manifest(request=spec, result=result, created_at=datetime.now(UTC).isoformat())
    return manifest.model_dump_json(exclude_none=True).encode()


def _flat(body: GenerateBody, model: str) -> Assignment:
    """Return the attempt in a body that has the fields of the spec one by one, as 0.1 sent them."""
    address = {k: v for k, v in body.parameters.items() if k in Address.model_fields}
    fields = {k: v for k, v in body.parameters.items() if k not in address}
    spec = {"prompt": body.text_input, "model": model, **fields}
    return Assignment.model_validate({"spec": spec, **address})


def _content(job_id: str, attempt: int, name: str) -> bytes:
    """Return a file that no other attempt makes."""
    return f"{name} of {job_id}, attempt {attempt}".encode()


def fake_result(spec: GenerationSpec, job_id: str, attempt: int, bucket: Bucket | None) -> VideoResult:
    """Return a result like a predictor's, with small files of its own."""
    prefix = f"s3://{bucket.name if bucket else 'reelzero'}/{attempt_prefix(job_id, attempt)}"

    def file(name: str, kind: str) -> StoredFile:
        body = _content(job_id, attempt, name)
        digest = hashlib.sha256(body).hexdigest()
        return StoredFile(uri=prefix + name, sha256=digest, bytes=len(body), content_type=kind)

    return VideoResult(
        job_id=job_id,
        attempt=attempt,
        revision="fake",
        duration_seconds=spec.num_frames / spec.fps,
        video=file("video.mp4", "video/mp4"),
        poster=file("poster.jpg", "image/jpeg"),
        spritesheet=file("spritesheet.jpg", "image/jpeg"),
        manifest_uri=prefix + "manifest.json",
        timings=Timings(encode_prompt=0, denoise=0, decode=0, encode_video=0, upload=0, total=0),
        sound=Sound(rate=48_000, channels=2) if spec.generate_audio else None,
        **spec.model_dump(include={"model", "seed", "width", "height", "num_frames", "fps"}),
    )
