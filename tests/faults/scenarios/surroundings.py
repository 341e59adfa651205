"""The surroundings: the database, S3, sinks, webhook receivers, callers that repeat or cancel."""

from __future__ import annotations

import asyncio
import os
import sys

from tests.faults.listener import BEHAVIOURS
from tests.faults.processes import ROOT
from tests.faults.proxy import MODES
from tests.faults.registry import each, fault
from tests.faults.scenarios.predictor import STAGES
from tests.faults.world import World


@fault("sqlite-locked", databases=("sqlite",), how="")
@fault("postgresql-stopped", databases=("postgresql",), how="fast")
@fault("postgresql-crashed", databases=("postgresql",), how="immediate")
@fault("postgresql-read-only", databases=("postgresql",), how="read-only")
@fault("postgresql-lock-time-out", databases=("postgresql",), how="locked")
async def database_away(world: World, how: str) -> None:
    """The database is away while jobs run and others are submitted, then returns."""
    seconds = world.rng.choice((0.2, 1.0, 6.0))
    if seconds > 5:  # longer than the lease
        world.short_lease()
        world.repeats = 1
    await world.predict(hold=world.rng.choice(("denoise", "upload")))
    await world.serve(replicas=2)
    await world.submit(2)
    await world.held()
    outage = asyncio.create_task(world.database.outage(seconds, how))
    late = asyncio.create_task(world.submit(2))
    world.release()
    await asyncio.gather(outage, late)


@each({f"s3-{mode}": {"mode": mode} for mode in MODES if mode != "pass"})
@each({f"real-s3-{mode}": {"mode": mode} for mode in MODES if mode != "pass"}, real=True)
async def s3_misbehaves(world: World, mode: str) -> None:
    """S3 fails during and after the upload, then heals."""
    await world.predict(hold="upload")
    await world.serve()
    await world.submit(2)
    await world.held()
    world.s3.set(mode)
    world.release()
    await asyncio.wait_for(world.s3.hit.wait(), 60)
    await asyncio.sleep(world.rng.uniform(0.1, 2.0))  # the outage itself
    world.s3.set("pass")
    world.repeats = 0 if world.real else 2  # the real predictor keeps its result meanwhile


@each({f"sink-{how}": {"how": how, "path": "/sink"} for how in BEHAVIOURS if how != "410"})
@each({f"webhook-{how}": {"how": how, "path": "/hook/0"} for how in BEHAVIOURS if how != "410"})
async def receiver_misbehaves(world: World, how: str, path: str) -> None:
    """The receiver fails a few times: every event still arrives, and no redirect is followed."""
    world.listener.plan[path] = [how] * world.rng.randint(1, 3)
    await world.predict()
    await world.serve()
    await world.submit(2, hooks=1)


@each({"sink-410": {"path": "/sink"}, "webhook-410": {"path": "/hook/0"}})
async def receiver_gone(world: World, path: str) -> None:
    """410 ends a message at once: it is kept and visible, and an operator can replay it."""
    world.listener.plan[path] = ["410"]
    await world.predict()
    await world.serve()
    (job,) = await world.submit(1, hooks=1)

    async def dead() -> bool:
        rows = (await world.call("GET", f"/v1/jobs/{job.job_id}/deliveries"))["data"]
        return any(row["status"] == "dead" for row in rows)

    await world.until("a dead letter", dead)
    rows = (await world.call("GET", f"/v1/jobs/{job.job_id}/deliveries"))["data"]
    (letter,) = [row for row in rows if row["status"] == "dead"]
    await reelzero(world, "deliveries", "replay", letter["id"])


async def reelzero(world: World, *arguments: str) -> None:
    """Run the operator's command on this round's database."""
    env = {**os.environ, **world.replicas[0].env, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "eventing", *arguments, env=env, cwd=world.folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


@fault("duplicates")
async def duplicates(world: World) -> None:
    """Each event arrives 50 times at once, at two replicas: one job per event."""
    await world.predict()
    await world.serve(replicas=2)
    await world.submit(2, copies=50)


@each({f"cancel-{stage}": {"stage": stage} for stage in STAGES})
@each({f"real-cancel-{stage}": {"stage": stage} for stage in STAGES if stage != "load"}, real=True)
async def cancelled(world: World, stage: str) -> None:
    """A cancel at a stage: the job ends as cancelled, and the predictor is free for the next job."""
    await world.predict(hold=stage)
    await world.serve()
    await world.submit(2)
    await world.held()
    for job in world.jobs:
        if (await world.view(job))["status"] == "in_progress" or (stage == "load" and world.real):
            running = job
            break
    waiting = next(job for job in world.jobs if job is not running)
    running.ends = {"cancelled"}
    await world.cancel(running)
    await world.until_status(running, "cancelled")
    assert (await world.view(waiting))["status"] != "cancelled"
    world.release()


@fault("cancel-queued")
async def cancelled_while_queued(world: World) -> None:
    """A waiting job is cancelled at once and never generated."""
    await world.predict(hold="denoise")
    await world.serve(replicas=2)
    await world.submit(3)
    await world.held()
    waiting = [job for job in world.jobs if (await world.view(job))["status"] == "queued"]
    for job in waiting:
        job.ends = {"cancelled"}
        await world.cancel(job)
        assert (await world.view(job))["status"] == "cancelled"
    world.release()


@fault("start-deadline")
async def start_deadline(world: World) -> None:
    """A job that has not started by its deadline fails and is never generated."""
    await world.predict(hold="denoise")
    await world.serve(replicas=2)
    await world.submit(1)
    await world.held()
    (late,) = await world.submit(1, start_within_seconds=0.5)
    late.ends = {"failed"}
    await world.until_status(late, "failed")
    assert (await world.view(late))["error"]["code"] == "start_deadline_passed"
    world.release()
