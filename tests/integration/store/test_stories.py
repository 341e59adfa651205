"""Stories in both databases: once per id and key, written only as they were read, due when a job ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from eventing.contract.errors import Conflict, InvalidRequest, NotFound, TooMany
from eventing.contract.records.models import Status
from eventing.contract.records.results import StoredFile
from eventing.contract.records.steps import StepResult, StepSpec
from eventing.domain import story as state
from eventing.domain.job import Job
from eventing.domain.kinds import Kind
from eventing.domain.pool import Pool
from eventing.domain.story import StepState, Story, StoryStep
from eventing.store.database.engine import Database
from eventing.store.stories import StoryChanged, StoryStore, Written
from tests.support.builders import claim, make_job, stores

STEPS = Pool("steps", 2, (("fit", "default"),))
FILE = StoredFile(uri="s3://b/one", sha256="1" * 64, bytes=3, content_type="video/mp4")


def step(name: str, *needs: str) -> StoryStep:
    sources = {"clip": tuple(f"{need}.clip" for need in needs)}
    return StoryStep(name, "fit", 1, {"width": 64}, sources, frozenset(needs), 1.0)


def story(story_id: str = "story_1", **changes: Any) -> Story:
    values: dict[str, Any] = {"document": {"steps": {}}, "digest": "d"}
    values |= {"steps": (step("a"), step("b", "a")), "submitted_at": 0.0, "updated_at": 0.0}
    return Story(id=story_id, **({"owner": "ann"} | values | changes))


def job_of(known: Story, name: str) -> Job:
    spec = StepSpec(step="fit", version=1, parameters={"width": 64})
    return make_job(
        id=f"job_{name}", owner=known.owner, model="fit", lane="default", kind=Kind.step, spec=spec,
        story_id=known.id, step=name,
    )  # fmt: skip


def store_of(database: Database, quota: int = 5) -> StoryStore:
    return StoryStore(database, quota=quota)


async def begun(store: StoryStore) -> Story:
    """A story whose first step has a job in the queue."""
    first, _ = await store.submit(story())
    started = replace(state.begin(first, "a", "job_a", first.updated_at), due_at=None)
    return await store.write(first, started, Written([job_of(first, "a")]))


async def test_an_equal_submission_makes_no_second_story(database: Database) -> None:
    store = store_of(database)
    first, new = await store.submit(story(), key="k")
    again, twice = await store.submit(story("story_2"), key="k")
    assert (new, twice, again) == (True, False, first)
    assert await store.get(first.id, "ann") == first
    with pytest.raises(InvalidRequest, match="used before, with another body"):
        await store.submit(story("story_3", digest="other"), key="k")
    with pytest.raises(Conflict, match="exists with another request"):
        await store.submit(story(digest="other"))
    with pytest.raises(NotFound):
        await store.get(first.id, "bob")
    with pytest.raises(NotFound):
        await store.get("story_2")


async def test_an_owner_has_so_many_unfinished_stories(database: Database) -> None:
    store = store_of(database, quota=1)
    await store.submit(story())
    with pytest.raises(TooMany, match="1 stories are unfinished"):
        await store.submit(story("story_2"))
    assert (await store.submit(story("story_3", owner="bob")))[1]


async def test_a_page_shows_the_newest_first(database: Database) -> None:
    store = store_of(database)
    ids = [(await store.submit(story(f"story_{n}")))[0].id for n in range(3)]
    page, more = await store.page("ann", limit=2)
    assert ([each.id for each in page], more) == ([ids[2], ids[1]], True)
    assert await store.page("bob", limit=2) == ([], False)
    assert await store.page("ann", limit=2, statuses=(Status.failed,)) == ([], False)


async def test_a_new_story_is_due_and_what_is_written_makes_it_wait(database: Database) -> None:
    store = store_of(database)
    known = await begun(store)
    assert await store.due() == []
    moment = await store.moment(known.id)
    assert moment.story == known
    assert (moment.jobs["a"].id, moment.jobs["a"].kind, moment.jobs["a"].step) == ("job_a", Kind.step, "a")


async def test_the_end_of_a_job_makes_its_story_due(database: Database) -> None:
    store, jobs = store_of(database), stores(database)
    await jobs.claims.prepare((STEPS,))
    known = await begun(store)
    running = await claim(jobs, STEPS)
    result = StepResult(
        job_id=running.id, attempt=1, step="fit", version=1, outputs={"clip": FILE}, seconds={"run": 0.5},
        manifest_uri="s3://b/m",
    )  # fmt: skip
    ended, _ = await jobs.claims.end(await jobs.claims.start(running), result, STEPS)
    assert (ended.status, ended.result) == (Status.completed, result)
    assert await store.due() == [known.id]
    with pytest.raises(StoryChanged):
        await store.write(known, state.cancel(known, known.updated_at), Written())
    moment = await store.moment(known.id)
    assert moment.jobs["a"].result == result
    assert moment.story.version == known.version + 1


async def test_a_job_of_a_story_ends_with_it_alone(database: Database) -> None:
    store, jobs = store_of(database), stores(database)
    await begun(store)
    assert await jobs.jobs.page("ann", limit=10) == ([], False)
    with pytest.raises(NotFound):
        await jobs.jobs.get("job_a", "ann")
    await jobs.jobs.cancel("job_a")
    assert await store.due() == ["story_1"]
    with pytest.raises(Conflict, match="belongs to the story story_1"):
        await jobs.jobs.requeue("job_a")


async def test_what_an_equal_step_made_is_found_until_its_story_is_dropped(database: Database) -> None:
    store = store_of(database)
    known = await begun(store)
    done = state.complete(known, "a", {"clip": FILE}, known.updated_at)
    known = await store.write(known, done, Written(results={"f" * 64: {"clip": FILE}}))
    assert known.by_name["a"].state is StepState.completed
    assert await store.results("ann", ["f" * 64, "0" * 64]) == {"f" * 64: {"clip": FILE}}
    assert await store.results("bob", ["f" * 64]) == {}
    await store.drop(known.id)
    assert await store.results("ann", ["f" * 64]) == {}
    with pytest.raises(NotFound):
        await store.get(known.id)


async def test_equal_steps_of_stories_that_run_side_by_side_end_at_once(database: Database) -> None:
    """Each replaces what the other has written; none fails."""
    store = store_of(database, quota=100)
    outputs = {f"{n}" * 64: {"clip": FILE} for n in range(5)}
    known = [(await store.submit(story(f"story_{n}")))[0] for n in range(8)]
    await asyncio.gather(*(store.write(each, each, Written(results=outputs)) for each in known))
    assert await store.results("ann", list(outputs)) == outputs


async def test_a_change_of_its_owner_makes_a_story_due(database: Database) -> None:
    store = store_of(database)
    known = await begun(store)
    with pytest.raises(NotFound):
        await store.change(known.id, "bob", state.cancel)
    changed = await store.change(known.id, "ann", state.cancel)
    assert changed.cancel_requested
    assert await store.due() == [known.id]
    assert await store.change(known.id, "ann", lambda same, at: same) == changed


async def test_only_ended_stories_expire(database: Database) -> None:
    store = store_of(database)
    known = await begun(store)
    assert await store.expired() == []
    known = await store.write(known, replace(known, expires_at=known.updated_at), Written())
    assert await store.expired() == [known.id]
