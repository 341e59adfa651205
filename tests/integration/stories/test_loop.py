"""A story goes from step to step: each begins when its inputs are there, and every story ends once."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from eventing.contract.errors import Conflict, NotFound
from eventing.contract.records.models import Status
from eventing.contract.records.steps import STORIES, StepSpec, story_prefix
from eventing.contract.records.story_manifest import StoryManifest, story_manifest_key
from eventing.domain.story import Story
from eventing.drafts import Origin
from eventing.store.tables import jobs, outbox
from tests.support.story_world import ANN, World

SCENES: dict[str, Any] = {
    "scenes": [{"prompt": "a red circle", "narration": "Here it is."}, {"title": "The end", "seconds": 1}]
}


def states(story: Story) -> dict[str, str]:
    return {step.name: str(step.state) for step in story.steps}


async def events(world: World, story: Story, destination: str = "sink") -> list[str]:
    query = select(outbox.c.event_type).where(
        outbox.c.job_id == story.id, outbox.c.destination == destination
    )
    async with world.container.database.read() as connection:
        rows = await connection.execute(query.order_by(outbox.c.sequence))
        return [row.event_type.removeprefix("dev.reelzero.story.") for row in rows]


async def test_a_story_ends_in_a_film_whose_steps_had_the_files_of_those_before(world: World) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    story = await world.submit(SCENES | {"metadata": {"order": "1"}}, replace(ANN, traceparent=trace))
    await world.move()
    begun = await world.stories.get(story.id, "ann")
    running = {name for name, each in states(begun).items() if each == "running"}
    assert running == {"speech-1", "video-1", "scene-2"} and states(begun)["film"] == "waiting"
    ended = await world.ended(story)
    assert (ended.status, ended.error, ended.percent({})) == (Status.completed, None, 100)
    assert sorted(world.worked) == ["film", "scene-1", "scene-2", "speech-1", "video-1"]
    assert world.worked[-2:] == ["scene-1", "film"]
    moment = await world.stories.moment(story.id, "ann")
    film = moment.jobs["film"]
    assert isinstance(film.spec, StepSpec)
    clips = (ended.by_name["scene-1"].outputs["clip"], ended.by_name["scene-2"].outputs["clip"])
    assert film.spec.inputs["clips"] == clips
    assert moment.jobs["scene-1"].spec.inputs["clip"] == (ended.by_name["video-1"].outputs["video"],)  # type: ignore[union-attr] # of a step
    assert {job.traceparent for job in moment.jobs.values()} == {trace}
    assert world.body(ended.by_name["film"].outputs["film"])
    assert ended.expires_at and ended.completed_at and ended.expires_at > ended.completed_at


async def test_its_events_are_numbered_and_its_manifest_names_every_step(world: World) -> None:
    ended = await world.ended(await world.submit(SCENES))
    assert await events(world, ended) == ["started.v1", *["step.completed.v1"] * 5, "completed.v1"]
    assert await events(world, ended, "s3") == ["completed.v1"]
    assert ended.sequence == 7
    body = world.container.bucket.get(story_manifest_key(ended.id))
    assert body is not None
    manifest = StoryManifest.model_validate(json.loads(body))
    assert [step.name for step in manifest.steps] == [step.name for step in ended.steps]
    assert manifest.status == "completed" and manifest.request == SCENES
    video, title = manifest.steps[1], next(step for step in manifest.steps if step.uses == "title")
    assert (video.reused, title.cost) == (False, 0.0)
    assert all(step.seconds is not None and step.fingerprint for step in manifest.steps)


async def test_equal_steps_are_not_made_again_and_have_files_of_their_own(world: World) -> None:
    first = await world.ended(await world.submit(SCENES))
    world.worked.clear()
    second = await world.ended(await world.submit(SCENES, replace(ANN, key="other")))
    assert (world.worked, second.status) == ([], Status.completed)
    assert all(step.reused and step.job_id is None for step in second.steps)
    folder = world.container.bucket.uri(story_prefix(second.id))
    for old, new in zip(first.steps, second.steps, strict=True):
        for name, file in new.outputs.items():
            assert file.uri.startswith(folder)
            assert world.body(file) == world.body(old.outputs[name])
    await world.stories.delete(first.id, "ann")
    third = await world.ended(await world.submit(SCENES))
    assert (world.worked, third.status) == ([], Status.completed), "of the second, which is left"
    await world.ended(await world.submit(SCENES, Origin("bob", "rest")))
    assert len(world.worked) == 5, "another owner's results are not taken"


async def test_a_revision_makes_only_what_changed_and_what_hangs_on_it(world: World) -> None:
    scenes = [{"prompt": f"a circle {n}", "narration": f"Number {n}."} for n in range(3)]
    old = await world.ended(await world.submit({"scenes": scenes}))
    world.worked.clear()
    new, is_new = await world.stories.revise(old.id, {"scenes": {"2": {"narration": "Changed."}}}, ANN)
    assert (is_new, new.revised_from) == (True, old.id)
    ended = await world.ended(new)
    assert sorted(world.worked) == ["film", "scene-2", "speech-2"]
    for name in ("video-1", "video-2", "scene-1", "scene-3"):
        assert [file.sha256 for file in ended.by_name[name].outputs.values()] == [
            file.sha256 for file in old.by_name[name].outputs.values()
        ]


async def test_a_failed_step_fails_the_story_and_a_retry_continues_from_it(world: World) -> None:
    world.broken = {"scene-1"}
    story = await world.submit(SCENES)
    failed = await world.ended(story)
    assert failed.status is Status.failed
    assert failed.error and failed.error.message == "steps.scene-1: it is broken"
    assert states(failed)["film"] == "skipped"
    assert await events(world, failed) == ["started.v1", *["step.completed.v1"] * 3, "failed.v1"]
    world.broken, world.worked = set(), []
    again, continued = await world.stories.retry(story.id, "ann")
    assert (continued, again.status) == (True, Status.in_progress)
    ended = await world.ended(story)
    assert (ended.status, world.worked) == (Status.completed, ["scene-1", "film"])
    with pytest.raises(Conflict, match="is completed; only a failed or cancelled one"):
        await world.stories.retry(story.id, "ann")


async def test_an_output_that_a_step_left_out_fails_the_step_that_needs_it(world: World) -> None:
    world.leave_out = {"poster"}
    steps = {
        "a": {"uses": "title", "with": {"text": "x", "seconds": 1}},
        "film": {"uses": "film", "inputs": {"clips": ["a.clip"]}},
        "b": {"uses": "still", "with": {"seconds": 1}, "inputs": {"image": "film.poster"}},
    }
    for name in ("a", "b"):
        steps[name]["with"] |= {"width": 64, "height": 64, "fps": 8}  # type: ignore[operator] # a dict
    failed = await world.ended(await world.submit({"steps": steps}))
    assert states(failed) == {"a": "completed", "film": "completed", "b": "failed"}
    assert failed.error and "the step film left no poster" in failed.error.message


async def test_a_cancel_ends_what_waits_at_once_and_what_runs_with_its_job(world: World) -> None:
    story = await world.submit(SCENES)
    await world.move()
    running = [job for job in await world.claim() if job.step == "video-1"]
    cancelled = await world.stories.cancel(story.id, "ann")
    assert states(cancelled)["film"] == "skipped" and not cancelled.is_over
    (job,) = running
    assert (await world.container.claims.renew(job, None)).cancel_requested
    moment = await world.stories.moment(story.id, "ann")
    for each in moment.jobs.values():
        if not each.status.is_terminal:
            await world.do(each)
    ended = await world.ended(story)
    assert (ended.status, states(ended)["video-1"]) == (Status.cancelled, "cancelled")
    assert (await events(world, ended))[-1] == "cancelled.v1"
    assert await world.stories.cancel(story.id, "ann") == ended


async def test_a_cancel_of_a_story_whose_jobs_all_wait_ends_it_at_once(world: World) -> None:
    story = await world.submit(SCENES)
    ended = await world.stories.cancel(story.id, "ann")
    assert (ended.status, await events(world, ended)) == (Status.cancelled, ["cancelled.v1"])
    begun = await world.submit(SCENES)
    await world.move()
    assert (await world.stories.cancel(begun.id, "ann")).status is Status.cancelled
    assert await world.claim() == []


async def test_two_replicas_that_look_at_once_make_each_job_once(world: World) -> None:
    story = await world.submit(SCENES)
    await asyncio.gather(*(world.stories.loop.look(story.id) for _ in range(4)))
    async with world.container.database.read() as connection:
        rows = (await connection.execute(select(jobs.c.step).where(jobs.c.story_id == story.id))).all()
    assert sorted(row.step for row in rows) == ["scene-2", "speech-1", "video-1"]
    assert await events(world, story) == ["started.v1"]


async def test_a_deleted_story_leaves_no_rows_and_no_objects(world: World) -> None:
    story = await world.submit(SCENES)
    with pytest.raises(Conflict, match="only one that is over can be deleted"):
        await world.stories.delete(story.id, "ann")
    ended = await world.ended(story)
    job_ids = [step.job_id for step in ended.steps]
    await world.stories.delete(story.id, "ann")
    with pytest.raises(NotFound):
        await world.stories.get(story.id, "ann")
    bucket = world.container.bucket
    assert bucket.keys(f"{STORIES}{story.id}/") == []
    assert not any(bucket.keys(f"jobs/{job_id}/") for job_id in job_ids)
    async with world.container.database.read() as connection:
        assert (await connection.execute(select(jobs.c.id))).all() == []


async def test_an_expired_story_goes_with_its_jobs(world: World) -> None:
    ended = await world.ended(await world.submit(SCENES))
    await world.container.jobs.remove_expired()
    assert len((await world.stories.moment(ended.id, "ann")).jobs) == 5
    store = world.stories.store
    await store.change(ended.id, "ann", lambda story, at: replace(story, expires_at=at - 1))
    await world.move()
    await world.stories.remove_expired()
    with pytest.raises(NotFound):
        await world.stories.get(ended.id, "ann")
