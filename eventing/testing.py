"""Fakes that ship with the product, for tests of what is around them.

`FakePredictor` speaks the predictor's stream without torch. `tests/integration/test_predictor_contract.py`
runs the real predictor through the same cases, so the fake cannot drift from it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from eventing.contract import (
    CompletedRecord,
    FailedRecord,
    Failure,
    Frozen,
    GenerateBody,
    GenerationSpec,
    HeartbeatRecord,
    Manifest,
    Progress,
    ProgressRecord,
    Stage,
    StoredFile,
    Timings,
    VideoResult,
    attempt_prefix,
    manifest_key,
)
from eventing.s3 import Bucket

DENOISE = Progress(stage=Stage.denoise, step=1, total_steps=2)


@dataclass
class Script:
    """What the fake does with one request. `gate` holds it in mid-generation until it is set."""

    status: int = 200
    code: str = ""
    failure: Failure | None = None
    break_after: int | None = None  # records, then the connection is cut
    lose_report: bool = False  # the manifest is written, the stream is cut
    heartbeats: int = 0
    gate: asyncio.Event | None = None


@dataclass
class FakePredictor:
    """An HTTP server on a free loopback port. `scripts` are used up one per request; then all succeed."""

    bucket: Bucket | None = None
    scripts: list[Script] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    running: int = 0
    most_at_once: int = 0
    url: str = ""
    on_start: Callable[[str], None] | None = None

    async def __aenter__(self) -> FakePredictor:
        app = web.Application()
        app.router.add_post("/v2/models/{model}/generate_stream", self._generate)
        app.router.add_get("/v2/models/{model}/ready", self._ready)
        # Like the real one: a closed connection ends the work at once.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _ready(self, _: web.Request) -> web.Response:
        return web.json_response({"ready": True})

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        body = GenerateBody.model_validate(await request.json())
        self.requests.append({"model": request.match_info["model"], **body.model_dump(mode="json")})
        script = self.scripts.pop(0) if self.scripts else Script()
        if script.status != 200:
            return web.json_response({"error": "no", "code": script.code}, status=script.status)
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        job_id = str(body.parameters["job_id"])
        if self.on_start:
            self.on_start(job_id)
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            async for record in self._records(body, request.match_info["model"], script):
                await answer.write(f"data: {record.model_dump_json()}\n\n".encode())
        except (asyncio.CancelledError, ConnectionError):
            self.aborted.append(job_id)
            raise
        finally:
            self.running -= 1
        return answer

    async def _records(self, body: GenerateBody, model: str, script: Script) -> AsyncIterator[Frozen]:
        records: list[Frozen] = [
            ProgressRecord(progress=Progress(stage=Stage.encode_prompt)),
            ProgressRecord(progress=DENOISE),
            *[HeartbeatRecord(progress=DENOISE)] * script.heartbeats,
        ]
        for number, record in enumerate(records):
            if script.break_after == number:
                return
            yield record
        if script.gate:
            await script.gate.wait()
        if script.failure:
            yield FailedRecord(error=script.failure)
        elif script.break_after is None:
            result = await self._finish(body, model)
            if not script.lose_report:
                yield CompletedRecord(result=result)

    async def _finish(self, body: GenerateBody, model: str) -> VideoResult:
        given = {k: v for k, v in body.parameters.items() if k in GenerationSpec.model_fields}
        spec = GenerationSpec.model_validate({"prompt": body.text_input, "model": model, **given})
        result = fake_result(
            spec, str(body.parameters["job_id"]), int(body.parameters["attempt"]), self.bucket
        )
        if self.bucket:
            await asyncio.to_thread(self._store, spec, result)
        return result

    def _store(self, spec: GenerationSpec, result: VideoResult) -> None:
        assert self.bucket is not None  # noqa: S101 -- the caller checked
        for file in (result.video, result.poster, result.spritesheet):
            self.bucket.put(self.bucket.key(file.uri), b"fake", file.content_type)
        manifest = Manifest(request=spec, result=result, created_at=datetime.now(UTC).isoformat())
        key = manifest_key(result.job_id, result.attempt)
        self.bucket.put_once(key, manifest.model_dump_json().encode(), "application/json")


def fake_result(spec: GenerationSpec, job_id: str, attempt: int, bucket: Bucket | None) -> VideoResult:
    """A result as the predictor would report it, over files of four bytes."""
    prefix = f"s3://{bucket.name if bucket else 'reelzero'}/{attempt_prefix(job_id, attempt)}"
    digest = hashlib.sha256(b"fake").hexdigest()

    def file(name: str, kind: str) -> StoredFile:
        return StoredFile(uri=prefix + name, sha256=digest, bytes=4, content_type=kind)

    return VideoResult(
        job_id=job_id,
        attempt=attempt,
        model=spec.model,
        revision="fake",
        seed=spec.seed,
        width=spec.width,
        height=spec.height,
        num_frames=spec.num_frames,
        fps=spec.fps,
        duration_seconds=spec.num_frames / spec.fps,
        video=file("video.mp4", "video/mp4"),
        poster=file("poster.jpg", "image/jpeg"),
        spritesheet=file("spritesheet.jpg", "image/jpeg"),
        manifest_uri=prefix + "manifest.json",
        timings=Timings(encode_prompt=0, denoise=0, decode=0, encode_video=0, upload=0, total=0),
    )
