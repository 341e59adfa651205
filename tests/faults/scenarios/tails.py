"""Predictors that are killed while a job has left the device and has no result yet."""

from __future__ import annotations

import signal

from tests.faults.invariants import works
from tests.faults.registry import fault
from tests.faults.world import World

PIPELINED = "1"  # the real predictor always is


@fault("sigkill-between-device-free-and-upload")
@fault("real-sigkill-between-device-free-and-upload", real=True)
async def killed_before_upload(world: World) -> None:
    """SIGKILL after the device is free and before the upload: that attempt is lost, and no other."""
    await world.predict(hold="encode_video", REELZERO_FAKE_PIPELINED=PIPELINED)
    await world.serve()
    (job,) = await world.submit(1)
    await world.held()
    await world.end_predictor(signal.SIGKILL)
    world.repeats = 1
    await world.predict(REELZERO_FAKE_PIPELINED=PIPELINED)
    await world.until_status(job, "completed")
    assert (await world.view(job))["attempts"] == 2


@fault("sigkill-while-the-next-job-has-the-device")
@fault("real-sigkill-while-the-next-job-has-the-device", real=True)
async def killed_with_two(world: World) -> None:
    """SIGKILL while one job uploads and the next has the device: each loses one attempt."""
    await world.predict(hold="upload", REELZERO_FAKE_PIPELINED=PIPELINED)
    await world.serve()
    jobs = await world.submit(2)
    await world.held()

    async def both() -> bool:
        return len(works(world)) == len(await world.running()) == len(jobs)

    await world.until("the second job on the device", both)
    await world.end_predictor(signal.SIGKILL)
    world.repeats = 2
    await world.predict(REELZERO_FAKE_PIPELINED=PIPELINED)
    for job in jobs:
        await world.until_status(job, "completed")
        assert (await world.view(job))["attempts"] == 2


@fault("sigterm-while-the-next-job-has-the-device")
async def terminated_with_two(world: World) -> None:
    """SIGTERM while one job uploads and the next has the device: both end in their first attempt."""
    await world.predict(hold="upload", REELZERO_FAKE_PIPELINED=PIPELINED)
    await world.serve()
    jobs = await world.submit(2)
    await world.held()

    async def both() -> bool:
        return len(works(world)) == len(jobs)

    await world.until("the second job on the device", both)
    assert await world.end_predictor(signal.SIGTERM) == 0
    await world.predict(REELZERO_FAKE_PIPELINED=PIPELINED)
