"""Eventing processes that are killed at every transition, stopped, frozen, or have a wrong clock."""

from __future__ import annotations

import asyncio
import signal

from tests.faults.registry import each, fault
from tests.faults.serving import CRASH_POINTS
from tests.faults.world import World
from tests.support.waiting import eventually

OF_JOBS = [point for point in CRASH_POINTS if not point.startswith("story-")]
CRASHES = {
    f"crash-{when}-{point}": {"point": point, "when": when}
    for point in OF_JOBS
    for when in ("before", "inside", "after")
}


@each(CRASHES)
async def crashed(world: World, point: str, when: str) -> None:
    """SIGKILL a replica at one point of a transaction: another replica, or its successor, goes on."""
    armed = world.folder / "armed"
    world.short_lease()
    await world.predict()
    replicas = world.rng.choice((1, 2))
    await world.serve(replicas, REELZERO_CRASH=f"{point}:{when}:SIGKILL", REELZERO_CRASH_ARMED=str(armed))
    # A generation that runs under the dead replica is aborted with it; a finished one is adopted.
    world.repeats = {"start": 1, "finish": 0}.get(point, 1)
    if point in ("insert", "claim"):
        armed.touch()
        submitting = asyncio.create_task(world.submit(3))
    else:
        submitting = asyncio.create_task(world.submit(3))
        armed.touch()
    first = world.replicas[0]
    crash = asyncio.create_task(first.child.ended())
    while not crash.done():
        await asyncio.wait({crash, submitting}, timeout=2, return_when=asyncio.FIRST_COMPLETED)
        if submitting.done() and not crash.done():
            await asyncio.wait({crash}, timeout=2)
            if not crash.done():
                await world.submit(1)  # the other replica was faster; submit a job for this one
    assert await crash == -signal.SIGKILL
    await world.restart(first)
    await submitting


@each({f"frozen-inside-{point}": {"point": point} for point in OF_JOBS}, databases=("postgresql",))
async def frozen_inside(world: World, point: str) -> None:
    """A replica freezes inside a transaction and holds its locks: another replica goes on."""
    armed = world.folder / "armed"
    world.short_lease()
    await world.predict()
    await world.serve(1, REELZERO_CRASH=f"{point}:inside:SIGSTOP", REELZERO_CRASH_ARMED=str(armed))
    for _ in range(4):  # prepares its statements; see IDLE_LIMIT in eventing/store/database/connections.py
        (job,) = await world.submit(1, hooks=1)
        await world.until_status(job, "completed")
    world.repeats = 1 if point == "start" else 0  # the generation runs on without a reader
    armed.touch()
    submitting = asyncio.create_task(world.submit(1, hooks=1))
    (frozen,) = world.replicas
    await eventually(lambda: frozen.child.stopped)
    await world.serve(1)
    world.replicas.remove(frozen)
    await submitting
    for job in world.jobs:
        await world.until_status(job, "completed")
    frozen.child.signal(signal.SIGCONT)
    world.replicas.insert(0, frozen)


@fault("sigkill-eventing-midjob")
async def killed_in_mid_job(world: World) -> None:
    """The predictor aborts with the connection, the lease lapses, another replica runs the job."""
    world.short_lease()
    await world.predict(hold="denoise")
    await world.serve(replicas=2)
    await world.submit(3)
    await world.held()
    world.repeats = 1
    for replica in world.replicas:
        await replica.child.kill()
    world.release()
    for replica in world.replicas:
        await world.restart(replica)


@each({"sigterm-eventing-midjob": {}})
@each({"real-sigterm-eventing-midjob": {}}, real=True)
async def terminated(world: World) -> None:
    """SIGTERM: the replica claims no more, finishes its stream and exits 0. No job is generated twice."""
    await world.predict(hold="denoise")
    await world.serve()
    await world.submit(3)
    await world.held()
    (running,) = await world.running()
    (replica,) = world.replicas
    replica.child.signal(signal.SIGTERM)
    world.release()
    assert await replica.child.ended() == 0
    await world.restart(replica)
    assert (await world.view(running))["attempts"] == 1


@fault("lease-stolen")
async def frozen(world: World) -> None:
    """A holder freezes for longer than its lease: its late report is refused."""
    world.short_lease()
    world.repeats = 1  # the new holder may start before the first file is complete
    await world.predict(hold="decode")
    await world.serve(replicas=1)
    (job,) = await world.submit(1)
    await world.held()
    holder = world.replicas[0]
    await world.serve(replicas=1)
    with world.database.between_writes():
        holder.child.signal(signal.SIGSTOP)
        await eventually(lambda: holder.child.stopped)
    successor = world.replicas.pop()
    frozen_replicas, world.replicas = world.replicas, [successor]

    async def lapsed() -> bool:
        return bool((await world.view(job))["status"] == "queued")

    await world.until("the lapse of the lease", lapsed)
    world.release()
    await world.until_status(job, "completed")
    holder.child.signal(signal.SIGCONT)
    world.replicas += frozen_replicas

    async def refused() -> bool:
        return "a late report was refused" in text() or "the lease is lost" in text() or "given up" in text()

    def text() -> str:
        return holder.child.log.read_text()

    await world.until("the refusal of the late report", refused)


@each({"clock-ahead": {"minutes": 4}, "clock-behind": {"minutes": -4}})
async def wrong_clock(world: World, minutes: float) -> None:
    """One replica's clock is wrong: leases, back-off and deadlines stay right."""
    await world.predict()
    await world.serve(2, REELZERO_CLOCK_OFFSET=str(minutes * 60))
    await world.submit(4, start_within_seconds=100)


@fault("adopted-attempts-exhausted")
async def adopted_exhausted(world: World) -> None:
    """The only attempt finishes without a reader: the successor adopts its result with no attempt left."""
    world.short_lease()
    world.settings["REELZERO_MAX_ATTEMPTS"] = "1"
    await world.predict(hold="after_upload")
    await world.serve()
    await world.submit(1)
    await world.held()
    (replica,) = world.replicas
    await replica.child.kill()
    await world.restart(replica)


@fault("chaos")
async def chaos(world: World) -> None:
    """SIGKILL predictors and replicas at random moments that the seed draws."""
    world.short_lease()
    await world.predict(REELZERO_FAKE_SECONDS="0.1")
    await world.serve(replicas=2)
    submitting = asyncio.create_task(world.submit(6, copies=2))
    world.repeats = 6
    for _ in range(4):
        await asyncio.sleep(world.rng.uniform(0.1, 1.0))  # the moment that the seed draws
        if world.rng.random() < 0.5:
            await world.end_predictor(signal.SIGKILL)
            await world.predict(REELZERO_FAKE_SECONDS="0.1")
        else:
            replica = world.rng.choice(world.replicas)
            await replica.child.kill()
            await world.restart(replica)
    await submitting
