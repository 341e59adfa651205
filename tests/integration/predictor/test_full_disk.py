"""A scratch disk that is really full: the job fails for that reason and leaves no file; the next works."""

from __future__ import annotations

import errno
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from eventing.contract.records.results import attempt_prefix
from eventing.contract.storage.s3 import Bucket
from predictor.fake_engine import FakeEngine, Habits
from predictor.generation.video import mp4, stills
from tests.integration.predictor.held import Held
from tests.integration.predictor.process import Predictor
from tests.support.disks import Disk, small_disk
from tests.support.engines import attempt, completed, entry_of, failed, settings, working

PAGE = 4096
SIZE = 4 << 20
FRAMES = np.random.default_rng(0).integers(0, 255, (9, 64, 64, 3), dtype=np.uint8)
WRITERS: dict[str, Callable[[Path], None]] = {
    "video": lambda path: mp4.write_mp4(FRAMES, 8, path, lambda: None),
    "poster": lambda path: stills.write_poster(FRAMES, path),
    "spritesheet": lambda path: stills.write_spritesheet(FRAMES, path),
}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    with small_disk(tmp_path_factory.mktemp("disk"), SIZE) as disk:
        yield disk


@pytest.fixture(scope="module")
def held(
    disk: Disk, tiny: Path, storage: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Held]:
    """A predictor whose jobs wait before they write their first byte."""
    folder = tmp_path_factory.mktemp("held")
    places = {"REELZERO_SCRATCH_DIR": str(disk.path), "TMPDIR": str(disk.path)}
    env = storage | places | {"REELZERO_MODEL_DIR": str(tiny)}
    predictor = Predictor(env, folder / "log", ("encode_video", folder / "go"))
    predictor.wait()
    yield Held(predictor, folder / "go")
    predictor.process.kill()
    predictor.process.wait()


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_whole_or_an_error_wherever_the_disk_ends(disk: Disk, tmp_path: Path, name: str) -> None:
    write, path = WRITERS[name], disk.path / name
    write(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    needed = -(-len(whole) // PAGE)
    for pages in range(needed):
        with disk.full(leave=pages * PAGE), pytest.raises(OSError, match="No space left") as raised:
            write(path)
        assert raised.value.errno == errno.ENOSPC
        path.unlink(missing_ok=True)
    with disk.full(leave=needed * PAGE):
        write(path)
    assert path.read_bytes() == whole
    path.unlink()


@pytest.mark.parametrize("pages", [0, 7], ids=["no byte fits", "the video fits, its poster does not"])
def test_a_job_without_room_says_so_and_the_next_one_works(
    disk: Disk, held: Held, bucket: Bucket, pages: int
) -> None:
    job_id = secrets.token_hex(8)
    held.arm()
    stream = held.predictor.stream(job_id=job_id, attempt=1, seed=3)
    held.wait()
    with disk.full(leave=pages * PAGE):
        held.release()
        last = stream.last()
    assert last["type"] == "failed"
    told = {"code": "scratch_full", "message": "the predictor's scratch disk is full", "retryable": True}
    assert last["error"] == told
    assert bucket.keys(attempt_prefix(job_id, 1)) == []
    assert not [name for name in disk.files() if name.startswith("reelzero-")]
    assert "No space left on device" in held.predictor.log.read_text(), "the operator's traceback"
    assert held.predictor.get("/v2/models/tiny/ready")[0] == 200
    last = held.predictor.stream(job_id=job_id, attempt=2, seed=3).last()
    assert last["type"] == "completed"
    assert len(bucket.keys(attempt_prefix(job_id, 2))) == 4


async def test_no_room_for_the_video_of_an_engine_is_not_the_fault_of_its_file(
    disk: Disk, bucket: Bucket, tmp_path: Path
) -> None:
    with FakeEngine(Habits(statuses=("completed",))) as engine, ExitStack() as full:

        def fill(stage: str) -> None:
            if stage == "encode_video":
                full.enter_context(disk.full())

        entry, options = entry_of(tmp_path, engine), settings(bucket, tmp_path, scratch_dir=disk.path)
        job_id = secrets.token_hex(8)
        async with working(entry, options, fill) as worker:
            record = await failed(worker, attempt(entry, job_id))
        assert (record.error.code, record.error.retryable) == ("scratch_full", True)
        full.close()
        async with working(entry, options) as worker:
            await completed(worker, attempt(entry, job_id, 2))
        assert len(engine.created) == 1, "the second attempt adopts the video"
