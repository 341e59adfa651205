"""Stories whose runner, replica, database or S3 goes away at each step: one film, no step made twice."""

from __future__ import annotations

import asyncio
import signal

from tests.faults.proxy import MODES
from tests.faults.registry import each, fault
from tests.faults.serving import CRASH_POINTS
from tests.faults.stories import WORDS, prepared
from tests.faults.world import World

OF_STORIES = [point for point in CRASH_POINTS if point != "insert"]


@each({f"story-runner-killed-at-{word}": {"word": word} for word in WORDS})
async def runner_killed(world: World, word: str) -> None:
    """SIGKILL the runner in the middle of a step: another attempt makes it, and the others stay."""
    story = await prepared(world)
    story.hold(word)
    await story.submit()
    await story.held(word)
    assert story.runner
    await story.runner.kill()
    story.release()
    await story.run()
    await story.check(repeats=1)


@each({f"story-replica-killed-at-{word}": {"word": word} for word in WORDS})
async def replica_killed(world: World, word: str) -> None:
    """SIGKILL the replica that holds a step: the lease lapses, and its successor goes on with the story."""
    world.short_lease()
    story = await prepared(world)
    story.hold(word)
    await story.submit()
    await story.held(word)
    (replica,) = world.replicas
    await replica.child.kill()
    story.release()
    await world.restart(replica)
    await story.check(repeats=1)


@each({f"story-crash-{when}-{point}": {"point": point, "when": when}
       for point in OF_STORIES for when in ("before", "inside", "after")})  # fmt: skip
async def crashed(world: World, point: str, when: str) -> None:
    """SIGKILL the replica at one point of a transaction: its successor goes on with the story."""
    armed = world.folder / "armed"
    world.short_lease()
    story = await prepared(world, REELZERO_CRASH=f"{point}:{when}:SIGKILL", REELZERO_CRASH_ARMED=str(armed))
    (replica,) = world.replicas
    armed.touch()
    submitting = asyncio.create_task(story.submit())
    assert await replica.child.ended() == -signal.SIGKILL
    await world.restart(replica)
    await submitting
    await story.check(repeats=1)


@each({f"story-s3-{mode}": {"mode": mode} for mode in MODES if mode != "pass"})
async def s3_misbehaves(world: World, mode: str) -> None:
    """S3 fails while a step fetches and uploads, then heals."""
    word = world.rng.choice(WORDS)
    story = await prepared(world)
    story.hold(word)
    await story.submit()
    await story.held(word)
    world.s3.set(mode)
    story.release()
    await asyncio.wait_for(world.s3.hit.wait(), 60)
    await asyncio.sleep(world.rng.uniform(0.1, 2.0))  # the outage itself
    world.s3.set("pass")
    await story.check(repeats=4)


@fault("story-sqlite-locked", databases=("sqlite",), how="")
@fault("story-postgresql-crashed", databases=("postgresql",), how="immediate")
async def database_away(world: World, how: str) -> None:
    """The database is away while a step ends."""
    story = await prepared(world)
    story.hold("middle")
    await story.submit()
    await story.held("middle")
    outage = asyncio.create_task(world.database.outage(world.rng.choice((0.2, 1.0)), how))
    story.release()
    await outage
    await story.check(repeats=1)


@fault("story-cancelled")
async def cancelled(world: World) -> None:
    """A cancel stops the step that runs, and no further one begins."""
    story = await prepared(world)
    story.hold("middle")
    await story.submit()
    await story.held("middle")
    await world.call("POST", f"/v1/stories/{story.id}/cancel")
    assert (await story.ended())["status"] == "cancelled"
    assert story.runs().keys() == {"first", "middle"}
