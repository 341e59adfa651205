"""Predictors that are killed or stopped, fill their disk, start slowly or never, or finish unread."""

from __future__ import annotations

import asyncio
import json
import signal

from tests.faults.registry import each, fault
from tests.faults.world import World

OFF_DEVICE = ("encode_video", "upload", "after_upload")
STAGES = ("load", "encode_prompt", "denoise", "decode", "encode_video", "upload", "after_upload")


@each({f"sigkill-{stage}": {"stage": stage} for stage in STAGES})
@each({f"real-sigkill-{stage}": {"stage": stage} for stage in STAGES}, real=True)
async def killed(world: World, stage: str) -> None:
    """SIGKILL at a stage: the attempt is lost, the job goes on."""
    await world.predict(hold=stage)
    await world.serve()
    await world.submit(3)
    await world.held()
    await world.end_predictor(signal.SIGKILL)
    # No work precedes `load`, and after the manifest the result is adopted.
    world.repeats = 0 if stage in ("load", "after_upload") else 1
    if world.real and stage in OFF_DEVICE:
        world.repeats += 1  # of the job that has the device meanwhile
    await world.predict()


@each({f"sigterm-{stage}": {"stage": stage} for stage in STAGES})
@each({f"real-sigterm-{stage}": {"stage": stage} for stage in STAGES}, real=True)
async def terminated(world: World, stage: str) -> None:
    """SIGTERM at a stage: the running job finishes within the grace period; no generation is repeated."""
    await world.predict(hold=stage)
    await world.serve()
    await world.submit(3)
    await world.held()
    status = await world.end_predictor(signal.SIGTERM)
    assert world.real or status == 0
    await world.predict()


@fault("cold-start-longer-than-the-lease")
async def slow_cold_start(world: World) -> None:
    """The stream is silent for longer than the lease: the timer renews the lease, and the job runs once."""
    world.short_lease()
    await world.predict(hold="load")
    await world.serve(replicas=2)
    await world.submit(2)
    await world.held()
    before = await world.running()
    await asyncio.sleep(world.lease * 1.5)  # no second claim may happen in this time
    assert await world.running() == before and len(before) == 1
    world.release()


@fault("never-starts")
async def never_starts(world: World) -> None:
    """No predictor listens: the circuit breaker opens, one probe runs at a time, waiting jobs show why."""
    await world.serve(replicas=2)
    await world.submit(4)
    most = 0

    async def is_open() -> bool:
        nonlocal most
        views = (await world.call("GET", "/v1/jobs?limit=100"))["data"]  # one snapshot
        most = max(most, sum(view["status"] == "in_progress" for view in views))
        models = await world.call("GET", "/v1/models")
        explained = any(view["waiting_for"] == "model_unavailable" for view in views)
        return explained and bool(models["data"][0]["unavailable"])

    await world.until("an open circuit breaker", is_open)
    assert most <= 1
    await world.predict()


@fault("disk-full")
async def disk_full(world: World) -> None:
    """The scratch disk is full: the job is retried until a predictor has room."""
    full = {"failure": {"code": "scratch_full", "message": "the disk is full", "retryable": True}}
    await world.predict(REELZERO_FAKE_SCRIPTS=json.dumps([full, full]))
    world.repeats = 2
    await world.serve()
    await world.submit(2)


@fault("late-manifest")
async def late_manifest(world: World) -> None:
    """The stream breaks, but the generation finishes: the next attempt adopts its result."""
    await world.predict(hold="late", REELZERO_FAKE_SCRIPTS=json.dumps([{"late": True}]))
    world.settings["REELZERO_RETRY_SECONDS"] = "10"  # long enough for the generation to finish
    await world.serve()
    await world.submit(1)
    await world.held()
    world.release()


@fault("late-manifest-attempts-exhausted")
async def late_manifest_exhausted(world: World) -> None:
    """The first attempt's manifest appears while the last attempt runs and fails: its result is adopted."""
    scripts = json.dumps([{"late": True}, {"break_after": 2}])
    await world.predict(hold="late", REELZERO_FAKE_SCRIPTS=scripts, REELZERO_FAKE_SECONDS="2")
    world.settings["REELZERO_MAX_ATTEMPTS"] = "2"
    world.repeats = 1
    await world.serve()
    (job,) = await world.submit(1)
    await world.held()

    async def tried_again() -> bool:
        return bool((await world.view(job))["attempts"] == 2)

    await world.until("the last attempt", tried_again)
    world.release()
