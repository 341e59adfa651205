"""Thousands of callers that watch their jobs: they must cost no lease, no submission and no stream."""

from __future__ import annotations

import asyncio

from tests.faults.databases import Postgresql
from tests.faults.registry import fault
from tests.faults.world import World
from tests.support.streams import Streams

WATCHERS = 2000


@fault("watchers")
async def watched(world: World) -> None:
    """2,000 streams are open for longer than a lease: no lease is lost, and every stream gets its end."""
    world.settings["REELZERO_HEARTBEAT_TIMEOUT_SECONDS"] = "120"  # a held predictor sends no heartbeat
    await world.predict(hold="denoise")
    await world.serve()
    jobs = await world.submit(4)
    await world.held()
    (replica,) = world.replicas
    async with Streams(replica.port) as streams:
        await streams.open([jobs[number % len(jobs)].job_id for number in range(WATCHERS)])
        assert streams.opened == WATCHERS
        running = await world.running()
        await world.submit(2)  # a submission goes through meanwhile
        if isinstance(world.database, Postgresql):
            await world.database.outage(1.0, "fast")  # shorter than the lease: the streams outlive it
        await asyncio.sleep(world.lease * 1.2)  # a lost lease would show by then
        assert await world.running() == running and len(running) == 1
        world.release()
        await streams.ended()
        assert (streams.cut, len(streams.ends)) == (0, WATCHERS)
    log = replica.child.log.read_text()
    assert "the lease is lost" not in log and "given up" not in log
