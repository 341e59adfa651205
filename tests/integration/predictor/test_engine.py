"""Videos of an engine with `/v1/videos`: its habits, its errors, and kills at every point of the way."""

from __future__ import annotations

import hashlib
import io
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from starlette.responses import JSONResponse, Response

from eventing.contract.catalog import CatalogEntry, Dialect, load_catalog
from eventing.contract.codecs.stream import CompletedRecord, FailedRecord
from eventing.contract.credentials import require_valid
from eventing.contract.errors import InvalidRequest, Unavailable
from eventing.contract.records.pictures import Fit, Picture
from eventing.contract.records.results import Manifest, Sound, VideoResult
from eventing.contract.storage.s3 import Bucket
from predictor.device import worker as worker_module
from predictor.device.worker import State, Worker
from predictor.fake_engine import FakeEngine, Habits
from predictor.generation.engines import run as engine_run
from predictor.generation.video.mp4 import write_mp4
from predictor.models.loading import open_model
from predictor.models.sound import Waveform
from tests.support.engines import (
    Killed,
    attempt,
    completed,
    ended,
    entry_file,
    entry_of,
    failed,
    from_picture,
    settings,
    working,
)
from tests.support.pictures import RED, picture, pixel
from tests.unit.predictor.running import SOON, until

Start = Callable[..., FakeEngine]


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_run, "POLL", 0.01)
    monkeypatch.setattr(engine_run, "BUSY", 0.01)
    monkeypatch.setattr(worker_module, "AWAY_POLL", 0.01)


@pytest.fixture
def engines() -> Iterator[Start]:
    """Start engines with some habits; they end with the test."""
    running: list[FakeEngine] = []

    def start(**habits: Any) -> FakeEngine:
        running.append(FakeEngine(Habits(**habits)).__enter__())
        return running[-1]

    yield start
    for engine in running:
        engine.__exit__()


# One fixture for each habit that the sources of the two servers show.


@pytest.fixture
def sglang(engines: Start) -> FakeEngine:
    """JSON, or a form with a picture; POST /cancel."""
    return engines()


@pytest.fixture
def vllm_omni(engines: Start) -> FakeEngine:
    """Always a form; DELETE cancels."""
    return engines(dialect=Dialect.vllm_omni)


@pytest.fixture
def queued_to_the_end(engines: Start) -> FakeEngine:
    """A server that knows no state between queued and completed, as SGLang."""
    return engines(statuses=("queued", "queued", "completed"))


@pytest.fixture
def in_progress_while_queued(engines: Start) -> FakeEngine:
    """A server that calls a video in progress from the start, as vLLM-Omni before September 2026."""
    return engines(dialect=Dialect.vllm_omni, statuses=("in_progress", "in_progress", "completed"))


@pytest.fixture
def delete_frees_nothing(engines: Start) -> FakeEngine:
    """A server that forgets a deleted video and works on, as SGLang without its cancel."""
    return engines(statuses=("in_progress",), has_cancel=False, delete_frees=False)


def job() -> str:
    return f"engine-{secrets.token_hex(6)}"


def stored(bucket: Bucket, record: CompletedRecord) -> tuple[VideoResult, bytes]:
    """The result, equal to its manifest, and its MP4."""
    assert record.result
    manifest = bucket.get(bucket.key(record.result.manifest_uri))
    assert manifest and Manifest.model_validate_json(manifest).result == record.result
    video = bucket.get(bucket.key(record.result.video.uri))
    assert video and hashlib.sha256(video).hexdigest() == record.result.video.sha256
    return record.result, video


def decoded(video: bytes) -> list[Image.Image]:
    with av.open(io.BytesIO(video), "r") as container:
        return [Image.fromarray(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


@pytest.mark.parametrize("server", ["sglang", "vllm_omni"])
async def test_a_video_comes_with_files_manifest_and_mark_as_any_other(
    request: pytest.FixtureRequest, server: str, bucket: Bucket, tmp_path: Path
) -> None:
    engine: FakeEngine = request.getfixturevalue(server)
    entry = entry_of(tmp_path, engine)
    async with working(entry, settings(bucket, tmp_path, mark="c2pa")) as worker:
        record = await completed(worker, attempt(entry, job(), negative_prompt="fog", num_frames=17))
    result, video = stored(bucket, record)
    frames = decoded(video)
    assert (len(frames), frames[0].size, result.num_frames, result.fps) == (17, (64, 64), 17, 8)
    assert video.index(b"moov") < video.index(b"mdat"), "the index is in front"
    (tmp_path / "video.mp4").write_bytes(video)
    assert result.mark and result.mark.manifest == require_valid(tmp_path / "video.mp4")
    poster = bucket.get(bucket.key(result.poster.uri))
    sheet = bucket.get(bucket.key(result.spritesheet.uri))
    assert poster and Image.open(io.BytesIO(poster)).size == (64, 64)
    assert sheet and Image.open(io.BytesIO(sheet)).size == (256, 256)
    assert result.timings.engine and result.revision == "abc"
    [making] = engine.created
    assert making.is_form == (server == "vllm_omni")
    sent = {key: str(value) for key, value in making.fields.items()}
    assert sent == {
        "model": "some/model", "prompt": "a red circle", "negative_prompt": "fog", "size": "64x64",
        "num_frames": "17", "fps": "8", "num_inference_steps": "4", "guidance_scale": "1.0", "seed": "7",
    }  # fmt: skip
    assert engine.videos == {}, "a fetched video does not stay at the engine"


@pytest.mark.parametrize("server", ["sglang", "vllm_omni"])
async def test_the_picture_is_the_first_frame(
    request: pytest.FixtureRequest, server: str, bucket: Bucket, tmp_path: Path
) -> None:
    engine: FakeEngine = request.getfixturevalue(server)
    entry, file, name = entry_of(tmp_path, engine), picture(), job()
    bucket.put(f"jobs/{name}/inputs/a/image.png", file, "image/png")
    image = Picture(
        uri=bucket.uri(f"jobs/{name}/inputs/a/image.png"), sha256=hashlib.sha256(file).hexdigest(),
        bytes=len(file), width=64, height=64, fit=Fit.crop, source_width=64, source_height=64,
        source_sha256="",
    )  # fmt: skip
    async with working(entry, settings(bucket, tmp_path)) as worker:
        record = await completed(worker, from_picture(attempt(entry, name), image))
    first = decoded(stored(bucket, record)[1])[0]
    assert all(abs(a - b) < 12 for a, b in zip(pixel(first, 5, 32), RED, strict=True))
    assert engine.created[0].is_form


@pytest.mark.parametrize(
    ("dialect", "first", "second"), [(Dialect.sglang, 4.0, 3.0), (Dialect.vllm_omni, 3.0, 4.0)]
)
async def test_the_guidance_of_two_transformers_reaches_the_right_one(
    engines: Start, dialect: Dialect, first: float, second: float, bucket: Bucket, tmp_path: Path
) -> None:
    engine = engines(dialect=dialect)
    tier = {"steps": 2, "guidance": 4.0, "guidance_2": 3.0}
    entry = entry_of(tmp_path, engine, quality={"low": tier, "medium": tier, "high": tier})
    async with working(entry, settings(bucket, tmp_path)) as worker:
        await completed(worker, attempt(entry, job(), output="inline"))
    fields = engine.created[0].fields
    assert (float(fields["guidance_scale"]), float(fields["guidance_scale_2"])) == (first, second)


async def seen(entry: CatalogEntry, bucket: Bucket, folder: Path) -> list[tuple[str, int, int]]:
    """The stages that a job shows, with step and total, up to the download."""
    async with working(entry, settings(bucket, folder)) as worker:
        records = [record async for record in worker.take(attempt(entry, job())).records(SOON)]
    shown = [
        (p.stage.value, p.step, p.total_steps) for p in (getattr(r, "progress", None) for r in records) if p
    ]
    return shown[: shown.index(("download", 0, 0)) + 1]


QUEUE, WORK, DOWNLOAD = ("engine_queue", 0, 0), ("generate", 0, 0), ("download", 0, 0)
FIRST = ("encode_prompt", 0, 0)  # each stream begins with it


async def test_the_stages_are_those_of_the_server_and_progress_comes_only_from_it(
    engines: Start, bucket: Bucket, tmp_path: Path
) -> None:
    engine = engines(
        statuses=("queued", "in_progress", "in_progress", "in_progress", "completed"),
        progress=(0, 0, 40, 80, 100),
    )
    shown = await seen(entry_of(tmp_path, engine), bucket, tmp_path)
    assert shown == [FIRST, QUEUE, WORK, ("generate", 40, 100), ("generate", 80, 100), DOWNLOAD]


async def test_a_server_that_says_queued_to_the_end_is_shown_so(
    queued_to_the_end: FakeEngine, bucket: Bucket, tmp_path: Path
) -> None:
    assert await seen(entry_of(tmp_path, queued_to_the_end), bucket, tmp_path) == [
        FIRST,
        QUEUE,
        WORK,
        DOWNLOAD,
    ]


async def test_a_server_that_says_in_progress_while_it_queues_promises_no_step(
    in_progress_while_queued: FakeEngine, bucket: Bucket, tmp_path: Path
) -> None:
    shown = await seen(entry_of(tmp_path, in_progress_while_queued), bucket, tmp_path)
    assert shown == [FIRST, QUEUE, WORK, DOWNLOAD]


async def cancelled(engine: FakeEngine, bucket: Bucket, folder: Path) -> FailedRecord:
    """Cancel a job while the engine works on it; the next one is taken."""
    entry = entry_of(folder, engine)
    async with working(entry, settings(bucket, folder)) as worker:
        run = worker.take(attempt(entry, job()))
        await until(lambda: bool(engine.videos) and run.monitor.progress.stage == "generate")
        run.cancel()
        record = await run.result(SOON)
        assert isinstance(record, FailedRecord)
        engine.habits.statuses = ("completed",)
        await completed(worker, attempt(entry, job()))
    return record


@pytest.mark.parametrize(
    ("dialect", "call"), [(Dialect.sglang, "POST cancel"), (Dialect.vllm_omni, "DELETE")]
)
async def test_a_cancel_uses_the_call_that_the_server_has(
    engines: Start, dialect: Dialect, call: str, bucket: Bucket, tmp_path: Path
) -> None:
    engine = engines(dialect=dialect, statuses=("in_progress",))
    record = await cancelled(engine, bucket, tmp_path)
    assert (record.error.code, engine.stopped[0], engine.working) == ("cancelled", call, set())


async def test_a_server_that_cannot_cancel_is_said_and_not_waited_for(
    delete_frees_nothing: FakeEngine, bucket: Bucket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = await cancelled(delete_frees_nothing, bucket, tmp_path)
    assert record.error.code == "cancelled"
    assert len(delete_frees_nothing.working) == 1, "the engine works on"
    [line] = [r for r in caplog.records if r.message == "a video at the engine is cancelled"]
    assert "it is forgotten there and works on" in vars(line)["outcome"]


KILLS = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
POINTS = ["created", "generate", "download", "encode_video", "upload"]


@KILLS
@pytest.mark.parametrize("point", POINTS)
async def test_a_predictor_killed_at_any_point_has_its_video_adopted(
    sglang: FakeEngine, point: str, bucket: Bucket, tmp_path: Path
) -> None:
    record = await killed_at(point, sglang, bucket, tmp_path)
    stored(bucket, record)
    assert len(sglang.created) == 1


@KILLS
async def test_a_kill_after_a_restart_of_the_engine_makes_the_video_again(
    sglang: FakeEngine, bucket: Bucket, tmp_path: Path
) -> None:
    record = await killed_at("generate", sglang, bucket, tmp_path, between=sglang.restart)
    assert record.result and record.result.attempt == 2
    assert len(sglang.created) == 2


async def killed_at(
    point: str,
    engine: FakeEngine,
    bucket: Bucket,
    folder: Path,
    between: Callable[[], None] = lambda: None,
) -> CompletedRecord:
    """End the thread of a job's first attempt at a point; return how the second attempt ends."""
    entry, options, name = entry_of(folder, engine), settings(bucket, folder), job()
    ended: list[threading.Thread] = []

    def kill(stage: str) -> None:
        if stage == point:
            ended.append(threading.current_thread())
            raise Killed

    async with working(entry, options, kill) as first:
        first.take(attempt(entry, name))
        await until(lambda: any(not thread.is_alive() for thread in ended))
    between()
    async with working(entry, options) as second:
        return await completed(second, attempt(entry, name, 2))


async def test_an_attempt_that_was_overtaken_does_not_stop_the_video(
    engines: Start, bucket: Bucket, tmp_path: Path
) -> None:
    engine = engines(statuses=("in_progress",))
    entry, options, name = entry_of(tmp_path, engine), settings(bucket, tmp_path), job()
    async with working(entry, options) as old, working(entry, options) as new:
        first = old.take(attempt(entry, name, 1))
        await until(lambda: first.monitor.progress.stage == "generate")
        second = new.take(attempt(entry, name, 2))
        await until(lambda: second.monitor.progress.stage == "generate")
        first.cancel()
        assert isinstance(await first.result(SOON), FailedRecord)
        assert len(engine.working) == 1
        engine.habits.statuses = ("completed",)
        assert isinstance(await second.result(SOON), CompletedRecord)
    assert len(engine.created) == 1


async def test_a_video_that_the_engine_forgot_is_made_again_once(
    engines: Start, bucket: Bucket, tmp_path: Path
) -> None:
    engine = engines(statuses=("in_progress",))
    entry = entry_of(tmp_path, engine)
    async with working(entry, settings(bucket, tmp_path)) as worker:
        run = worker.take(attempt(entry, job()))
        await until(lambda: bool(engine.videos))
        engine.restart()
        await until(lambda: len(engine.created) == 2 and bool(engine.videos))
        engine.restart()
        record = await run.result(SOON)
    assert isinstance(record, FailedRecord)
    assert record.error.retryable and "the engine lost the video" in record.error.message
    assert len(engine.created) == 2


BAD_FILES: dict[str, tuple[dict[str, Any], str]] = {
    "a frame too few": (
        {"changes": {"num_frames": 8}},
        "made 8 frames of 64x64 at 8 fps instead of 9 frames",
    ),
    "another size": ({"changes": {"size": "32x64"}}, "made 9 frames of 32x64"),
    "another rate": ({"changes": {"fps": 24}}, "at 24 fps instead of"),
    "no video": ({"file": b"<html>not found</html>" * 9}, "is no video, or it is damaged"),
    "nothing": ({"file": b""}, "is no video, or it is damaged"),
}


@pytest.mark.parametrize("name", BAD_FILES)
async def test_a_file_that_is_not_what_was_promised_fails_for_good(
    engines: Start, name: str, bucket: Bucket, tmp_path: Path
) -> None:
    habits, words = BAD_FILES[name]
    engine = engines(**habits)
    entry = entry_of(tmp_path, engine)
    async with working(entry, settings(bucket, tmp_path)) as worker:
        record = await failed(worker, attempt(entry, job()))
    assert (record.error.code, record.error.retryable) == ("broken_video", False)
    assert words in record.error.message
    assert engine.videos == {}


WORDS = {"detail": [{"loc": ["body", "size"], "msg": "size must be 832x480"}]}
REFUSALS: dict[str, tuple[dict[str, Any], str, bool, str]] = {
    "422": ({"refusals": [JSONResponse(WORDS, 422)]}, "invalid_request", False, "size must be 832x480"),
    "400": (
        {"refusals": [JSONResponse({"error": {"message": "too many frames"}}, 400)]},
        "invalid_request", False, "the engine refused the request (400): too many frames",
    ),
    "404": ({"refusals": [JSONResponse({"detail": "None"}, 404)]}, "model_unavailable", True, "(404): None"),
    "500": ({"refusals": [Response("boom", 500)]}, "generation_failed", True, "boom"),
    "no video": ({"refusals": [JSONResponse({"data": []})]}, "generation_failed", True, "without a video"),
    "an unsafe id": (
        {"refusals": [JSONResponse({"id": "../x", "status": "queued"})]},
        "generation_failed", True, "without a video",
    ),
    "failed": (
        {"statuses": ("failed",), "error": {"code": 500, "message": "the prompt is empty"}},
        "generation_failed", True, "could not make the video: the prompt is empty",
    ),
    "out of memory": (
        {"statuses": ("failed",), "error": {"message": "CUDA out of memory"}}, "out_of_memory", False, "CUDA",
    ),
    "a new word": ({"statuses": ("pondering",)}, "generation_failed", True, "'pondering'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
async def test_what_the_server_says_is_in_the_failure(
    engines: Start, name: str, bucket: Bucket, tmp_path: Path
) -> None:
    habits, code, retryable, words = REFUSALS[name]
    entry = entry_of(tmp_path, engines(**habits))
    async with working(entry, settings(bucket, tmp_path)) as worker:
        record = await failed(worker, attempt(entry, job()))
    assert (record.error.code, record.error.retryable) == (code, retryable)
    assert words in record.error.message


async def test_a_busy_server_is_asked_again_and_a_long_wait_is_left_to_the_queue(
    engines: Start, bucket: Bucket, tmp_path: Path
) -> None:
    engine = engines()
    entry = entry_of(tmp_path, engine)
    async with working(entry, settings(bucket, tmp_path)) as worker:
        engine.habits.refusals = [Response("", 429, {"Retry-After": "0"}), Response("", 503)]
        await completed(worker, attempt(entry, job()))
        engine.habits.refusals = [JSONResponse({"detail": "full"}, 429, {"Retry-After": "3600"})]
        record = await failed(worker, attempt(entry, job()))
    assert (record.error.code, record.error.retryable) == ("unavailable", True)
    assert "is not ready (429): full" in record.error.message
    assert len(engine.created) == 1


async def test_a_download_that_is_cut_is_repeated_and_a_lost_file_is_made_again(
    engines: Start, bucket: Bucket, tmp_path: Path
) -> None:
    engine = engines(cuts=1)
    entry = entry_of(tmp_path, engine)
    async with working(entry, settings(bucket, tmp_path)) as worker:
        stored(bucket, await completed(worker, attempt(entry, job())))
        assert len(engine.created) == 1
        engine.habits.loses_files = True
        record = await failed(worker, attempt(entry, job()))
    assert record.error.retryable
    assert len(engine.created) == 3


async def test_an_engine_that_goes_away_stops_new_jobs_until_it_is_back(
    engines: Start, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_run, "AWAY", 0.0)
    engine = engines(statuses=("in_progress",))
    port = int(engine.url.rpartition(":")[2])
    entry, name = entry_of(tmp_path, engine), job()
    async with working(entry, settings(bucket, tmp_path)) as worker:
        run = worker.take(attempt(entry, name))
        await until(lambda: run.monitor.progress.stage == "generate")
        engine.__exit__()
        record = await run.result(SOON)
        assert isinstance(record, FailedRecord)
        assert (record.error.code, record.error.retryable) == ("unavailable", True)
        with pytest.raises(Unavailable, match=f"the engine at http://127.0.0.1:{port} cannot be reached"):
            worker.take(attempt(entry, name, 2))
        with FakeEngine(Habits(), port):
            await until(lambda: worker.ready)
            await completed(worker, attempt(entry, name, 2))


async def test_a_token_reaches_the_engine(engines: Start, bucket: Bucket, tmp_path: Path) -> None:
    entry = entry_of(tmp_path, engines(token="open-sesame"))
    async with working(entry, settings(bucket, tmp_path, engine_token="open-sesame")) as worker:
        await completed(worker, attempt(entry, job(), output="inline"))


OBSTACLES: dict[str, tuple[dict[str, Any], str]] = {
    "no token": ({"token": "open-sesame"}, "refuses the token (401): correct REELZERO_ENGINE_TOKEN"),
    "another model": ({"model": "other/model"}, "serves other/model, not some/model: correct engine.model"),
}


@pytest.mark.parametrize("name", OBSTACLES)
async def test_an_engine_that_cannot_serve_the_model_keeps_it_away_and_says_why(
    engines: Start, name: str, bucket: Bucket, tmp_path: Path
) -> None:
    habits, words = OBSTACLES[name]
    engine = engines(**habits)
    worker = Worker(entry_of(tmp_path, engine), settings(bucket, tmp_path), open_model)
    worker.begin()
    await until(lambda: words in worker.cause)
    assert worker.cause.startswith(f"the engine at {engine.url} ") and not worker.ready
    worker.drain()


async def test_an_address_in_the_settings_wins_and_one_that_is_missing_is_named(
    sglang: FakeEngine, bucket: Bucket, tmp_path: Path
) -> None:
    entry = load_catalog(entry_file(tmp_path, None)).get("tiny")
    async with working(entry, settings(bucket, tmp_path, engine_url=f"{sglang.url}/v1/")) as worker:
        await completed(worker, attempt(entry, job(), output="inline"))
    worker = Worker(entry, settings(bucket, tmp_path), open_model)
    worker.begin()
    await until(lambda: worker.look() is State.failed)
    assert "set REELZERO_ENGINE_URL, or engine.url of the catalog entry" in worker.cause


@pytest.mark.parametrize(("field", "fields"), [("width", {"width": 112}), ("num_frames", {"num_frames": 10})])
async def test_what_the_entry_does_not_allow_never_reaches_the_engine(
    sglang: FakeEngine, field: str, fields: dict[str, int], bucket: Bucket, tmp_path: Path
) -> None:
    entry = entry_of(tmp_path, sglang)
    first = attempt(entry, job())
    async with working(entry, settings(bucket, tmp_path)) as worker:
        with pytest.raises(InvalidRequest) as refusal:
            worker.take(first.model_copy(update={"spec": first.spec.model_copy(update=fields)}))
    assert refusal.value.field == field
    assert sglang.created == []


async def test_an_inline_video_leaves_no_note_and_a_stored_one_is_under_the_jobs_prefix(
    sglang: FakeEngine, bucket: Bucket, tmp_path: Path
) -> None:
    entry, inline, kept = entry_of(tmp_path, sglang), job(), job()
    async with working(entry, settings(bucket, tmp_path)) as worker:
        await completed(worker, attempt(entry, inline, output="inline"))
        await completed(worker, attempt(entry, kept))
        again = await ended(worker, attempt(entry, kept))
    assert bucket.keys(f"jobs/{inline}/") == []
    note = bucket.get(f"jobs/{kept}/engine.json")
    assert note and json.loads(note)["attempt"] == 1
    assert isinstance(again, CompletedRecord) and len(sglang.created) == 2, (
        "a finished attempt has its manifest"
    )


async def test_a_job_over_its_limit_is_stopped_at_the_engine_too(
    engines: Start, bucket: Bucket, tmp_path: Path
) -> None:
    engine = engines(statuses=("in_progress",))
    entry = entry_of(tmp_path, engine)
    async with working(entry, settings(bucket, tmp_path)) as worker:
        run = worker.take(attempt(entry, job()))
        await until(lambda: run.monitor.progress.stage == "generate")
        run.monitor._limit = 0
        record = await run.result(SOON)
    assert isinstance(record, FailedRecord)
    assert (record.error.code, engine.stopped[0]) == ("generation_timeout", "POST cancel")
    assert engine.working == set()


HOOKS = """
def check_frames(spec, frames):
    return {1: "too bright"}[spec.seed] if spec.seed < 3 else None

def watermark(spec, frames):
    assert frames.shape == (9, 64, 64, 3)
    return 255 - frames
"""


async def test_the_operators_checks_and_watermark_see_every_frame(
    sglang: FakeEngine, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hooks_of_engines.py").write_text(HOOKS)
    monkeypatch.syspath_prepend(tmp_path)
    entry, module = entry_of(tmp_path, sglang), "hooks_of_engines"
    async with working(entry, settings(bucket, tmp_path, checks=(module,), watermark=module)) as worker:
        record = await completed(worker, attempt(entry, job(), seed=100))
        refusal = await failed(worker, attempt(entry, job(), seed=1))
        mistake = await failed(worker, attempt(entry, job(), seed=2))
    red, _, _ = pixel(decoded(stored(bucket, record)[1])[0], 5, 5)
    assert abs(red - 155) < 8
    assert (refusal.error.code, sglang.videos) == ("content_refused", {})
    assert "too bright" in refusal.error.message
    assert (mistake.error.code, mistake.error.retryable) == ("generation_failed", False)


def with_sound(path: Path) -> bytes:
    """An MP4 of 9 frames and a second of sound, with its index at the end."""
    with av.open(str(path), "w", format="mp4") as container:
        video, sound = container.add_stream("libx264", rate=8), container.add_stream("aac", rate=24_000)
        video.width = video.height = 64
        video.pix_fmt, sound.layout = "yuv420p", "mono"
        for _ in range(9):
            pixels = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8), format="rgb24")
            container.mux(video.encode(pixels))
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 24_000), np.float32), format="fltp", layout="mono")
        tone.sample_rate = 24_000
        container.mux(sound.encode(tone))
        for stream in (video, sound):
            container.mux(stream.encode())
    return path.read_bytes()


async def test_the_sound_of_an_engine_is_kept(engines: Start, bucket: Bucket, tmp_path: Path) -> None:
    engine = engines(file=with_sound(tmp_path / "raw.mp4"))
    entry = entry_of(tmp_path, engine)
    async with working(entry, settings(bucket, tmp_path)) as worker:
        _, video = stored(bucket, await completed(worker, attempt(entry, job())))
    with av.open(io.BytesIO(video), "r") as container:
        [sound] = container.streams.audio
        assert sound.codec_context.sample_rate == 24_000
        assert sum(frame.samples for frame in container.decode(sound)) >= 24_000
    assert video.index(b"moov") < video.index(b"mdat")


@pytest.mark.parametrize(("wish", "sound"), [(True, Sound(rate=24_000, channels=1)), (False, None)])
async def test_the_sound_of_the_engine_is_kept_also_under_a_watermark_unless_the_request_wants_none(
    wish: bool,
    sound: Sound | None,
    engines: Start,
    bucket: Bucket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (9, 64, 64, 3), dtype=np.uint8)
    tone = (0.2 * np.sin(np.arange(27_000) / 20)).astype(np.float32)[None]
    write_mp4(noise, 8, tmp_path / "raw.mp4", lambda: None, Waveform(tone, 24_000))
    engine = engines(file=(tmp_path / "raw.mp4").read_bytes())
    entry = entry_of(tmp_path, engine, sound={"rate": 24_000, "channels": 1})
    (tmp_path / "inverted.py").write_text("def watermark(spec, frames):\n    return 255 - frames\n")
    monkeypatch.syspath_prepend(tmp_path)
    for options in ({}, {"watermark": "inverted"}):
        async with working(entry, settings(bucket, tmp_path, **options)) as worker:
            record = await completed(worker, attempt(entry, job(), generate_audio=wish))
        result, file = stored(bucket, record)
        assert result.sound == sound
        with av.open(io.BytesIO(file)) as container:
            seconds = {stream.type: _seconds(stream) for stream in container.streams}
            assert {stream.start_time for stream in container.streams} == {0}
        assert seconds == pytest.approx({"video": 1.125} | ({"audio": 1.125} if sound else {}), abs=0.002)


def _seconds(stream: Any) -> float:
    return float(stream.duration * stream.time_base)
