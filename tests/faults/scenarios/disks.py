"""Disks that are full for real: under the database, and under the predictor's scratch folder."""

from __future__ import annotations

import asyncio
import shutil

from tests.faults.databases import Sqlite
from tests.faults.registry import each, fault
from tests.faults.world import World
from tests.support import disks
from tests.support.disks import Disk

SIZE = 8 << 20
SUBMISSION = {"prompt": "no room", "quality": "low"}
BRIEF = {
    "lease": "60",
    "until": "the verdict cannot be written yet: the database's disk is full",
    "repeats": 0,
}
LONG = {"lease": "5", "until": "the attempt is given up", "repeats": 1}


@each(
    {"sqlite-disk-full": BRIEF, "sqlite-disk-full-longer-than-the-lease": LONG},
    databases=("sqlite",),
    needs=disks.missing,
)
async def database_disk_full(world: World, lease: str, until: str, repeats: int) -> None:
    """The disk is full while a job runs and others are submitted: every accepted job ends once."""
    disk = _move_database(world)
    world.settings["REELZERO_LEASE_SECONDS"] = lease
    world.repeats = repeats
    await world.predict(hold="denoise")
    await world.serve()
    await world.submit(2)
    await world.held()
    with disk.full():
        await _refused(world)
        late = asyncio.create_task(world.submit(2))
        if not repeats:
            world.release()  # the job finishes while its end cannot be stored
        await world.until(until, lambda: _logged(world, until))
    world.release()
    await late
    await world.until("readiness", lambda: _ready(world))


async def _refused(world: World) -> None:
    """Check that a submission gets 503 and Retry-After, jobs stay readable, and the log names the cause."""
    (replica,) = world.replicas
    async with world.http.post(replica.url + "/v1/jobs", json=SUBMISSION) as answer:
        assert answer.status == 503, await answer.text()
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.content_type == "application/problem+json"
        problem = await answer.json()
    assert (problem["code"], problem["detail"]) == ("unavailable", "the database's disk is full")
    for path, status in (("/healthz", 200), ("/readyz", 503), ("/v2/health/ready", 503)):
        async with world.http.get(replica.url + path) as answer:
            assert answer.status == status
    assert {(await world.view(job))["status"] for job in world.jobs} == {"in_progress", "queued"}
    assert await _logged(world, "Traceback")


async def _ready(world: World) -> bool:
    async with world.http.get(world.replicas[0].url + "/readyz") as answer:
        return answer.status == 200


async def _logged(world: World, words: str) -> bool:
    return words in world.replicas[0].child.log.read_text()


def _move_database(world: World) -> Disk:
    disk = world.mount(SIZE)
    assert isinstance(world.database, Sqlite)
    shutil.move(world.database.path, disk.path)
    world.database = Sqlite(disk.place)
    return disk


@fault("real-scratch-full", real=True, needs=disks.missing)
async def scratch_full(world: World) -> None:
    """The video does not fit on scratch: the job returns to the queue and ends once there is room."""
    disk = world.mount(SIZE)
    world.settings["REELZERO_RETRY_SECONDS"] = "2"
    world.repeats = 3
    await world.predict(hold="encode_video", REELZERO_SCRATCH_DIR=str(disk.path), TMPDIR=str(disk.path))
    await world.serve()
    (job,) = await world.submit(1)
    await world.held()
    with disk.full():
        world.release()

        async def put_back() -> bool:
            return bool((await world.view(job))["waiting_for"] == "scratch_full")

        await world.until("the job back in the queue", put_back)
        assert not [name for name in disk.files() if name.startswith("reelzero-")]
