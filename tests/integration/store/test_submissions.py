"""Submitting and reading, on both databases."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from sqlalchemy import update

from eventing.contract.errors import Conflict, InvalidRequest, NotFound, StorageError, TooMany
from eventing.contract.records.models import Failure, JobRequest
from eventing.domain.job import Status
from eventing.drafts import Origin
from eventing.store.database.engine import Database
from eventing.store.tables import jobs as table
from eventing.store.watched import WatchStore
from tests.support.builders import POOL, Folders, claim, stores, submission, use_cases


async def test_a_job_is_stored_as_it_was_submitted(database: Database) -> None:
    store = stores(database).jobs
    job, new = await store.submit(submission(metadata={"a": "b"}, callback_url="https://example.com/x"))
    assert new and await store.get(job.id) == job
    assert job.submitted_at > 1_700_000_000


async def test_fifty_copies_of_one_event_make_one_job(database: Database) -> None:
    store = stores(database).jobs
    answers = await asyncio.gather(*(store.submit(submission(key="event:1")) for _ in range(50)))
    assert len({job.id for job, _ in answers}) == 1
    assert sum(new for _, new in answers) == 1
    assert len((await store.page("ann", limit=100))[0]) == 1


async def test_a_key_used_with_another_body_names_the_first_job(database: Database) -> None:
    store = stores(database).jobs
    first, _ = await store.submit(submission(key="k"))
    with pytest.raises(InvalidRequest, match=first.id):
        await store.submit(submission(key="k", prompt="a blue square"))


async def test_keys_of_two_owners_do_not_meet(database: Database) -> None:
    store = stores(database).jobs
    mine, _ = await store.submit(submission(key="k"))
    theirs, new = await store.submit(submission(key="k", owner="bob", prompt="a blue square"))
    assert new and theirs.id != mine.id


async def test_a_put_is_idempotent_and_guards_its_id(database: Database) -> None:
    jobs, store = use_cases(database, Folders()), stores(database).jobs
    request = JobRequest(prompt="a red circle")
    first, new = await jobs.submit(request, Origin("ann", "rest", job_id="my-id"))
    again, new_again = await jobs.submit(request, Origin("ann", "rest", job_id="my-id"))
    assert (new, new_again, again, first.public_id) == (True, False, first, "my-id")
    assert first == await store.get("my-id", "ann") == await store.get(first.id, "ann")
    with pytest.raises(Conflict, match="my-id"):
        await jobs.submit(JobRequest(prompt="other"), Origin("ann", "rest", job_id="my-id"))


async def test_ids_of_two_owners_do_not_meet(database: Database) -> None:
    jobs, store = use_cases(database, Folders()), stores(database).jobs
    ann, _ = await jobs.submit(JobRequest(prompt="of ann"), Origin("ann", "rest", job_id="shared"))
    for name in ("shared", ann.id):  # nor can a row's own id be taken
        bob, new = await jobs.submit(JobRequest(prompt="of bob"), Origin("bob", "rest", job_id=name))
        assert new and bob.id != ann.id and bob.public_id == name
        assert (await store.get(name, "bob")).video.prompt == "of bob"
    assert (await store.get("shared", "ann")).video.prompt == "of ann"
    with pytest.raises(NotFound):
        await store.get("shared", "eve")
    assert (await store.cancel("shared", "bob")).status is Status.cancelled
    assert (await store.get("shared", "ann")).status is Status.queued


async def test_a_put_finds_the_job_that_an_earlier_release_stored(database: Database) -> None:
    """Releases before the first stored a chosen id as the row's own."""
    jobs, store = use_cases(database, Folders()), stores(database).jobs
    request = JobRequest(prompt="a red circle moving right", seed=7)
    earlier, _ = await store.submit(submission(id="my-id"))
    assert await jobs.submit(request, Origin("ann", "rest", job_id="my-id")) == (earlier, False)
    assert (await jobs.submit(request, Origin("bob", "rest", job_id="my-id")))[1]


async def test_an_owner_sees_and_cancels_only_what_is_theirs(database: Database) -> None:
    store = stores(database).jobs
    job, _ = await store.submit(submission())
    for call in (store.get(job.id, "bob"), store.cancel(job.id, "bob"), store.get("nothing", "ann")):
        with pytest.raises(NotFound):
            await call
    assert (await store.page("bob", limit=10))[0] == []
    assert (await store.get(job.id)).status is Status.queued


async def test_the_listing_pages_through_everything_once_in_both_orders(database: Database) -> None:
    store = stores(database).jobs
    made = [(await store.submit(submission(model="tiny", id=f"j{n:02}")))[0].id for n in range(7)]
    for ascending in (True, False):
        seen, after = [], None
        while True:
            page, more = await store.page("ann", limit=3, after=after, ascending=ascending)
            seen += [job.id for job in page]
            if not more:
                break
            after = page[-1].id
        assert seen == (made if ascending else made[::-1])


async def test_the_listing_filters(database: Database) -> None:
    both = stores(database)
    await both.claims.prepare((POOL,))
    first, _ = await both.jobs.submit(submission())
    await both.jobs.submit(submission(lane="long"))
    job = await claim(both, POOL)
    await both.claims.fail(job, Failure(code="x", message="x"))
    failed, _ = await both.jobs.page("ann", limit=10, statuses=(Status.failed,))
    long, _ = await both.jobs.page("ann", limit=10, lane="long")
    assert [j.id for j in failed] == [first.id] and len(long) == 1


async def test_the_quota_of_waiting_jobs(database: Database) -> None:
    store = stores(database, quota=2).jobs
    for _ in range(2):
        await store.submit(submission())
    with pytest.raises(TooMany) as caught:
        await store.submit(submission())
    assert caught.value.retry_after
    await store.submit(submission(owner="bob"))


async def test_the_position_counts_who_is_ahead(database: Database) -> None:
    store = stores(database).jobs
    jobs = [(await store.submit(submission()))[0] for _ in range(3)]
    assert [await store.position(job) for job in jobs] == [0, 1, 2]


async def test_a_job_has_the_same_position_alone_and_among_watched_ones(database: Database) -> None:
    """Two statements count it: one for one job, one for all watched jobs."""
    rows, choice = stores(database).jobs, random.Random(3)
    for number in range(40):
        model, lane = choice.choice(["tiny", "shapes-tiny"]), choice.choice(["default", "long"])
        await rows.submit(submission(model=model, lane=lane, id=f"vid_{number % 7}_{number}"))
    async with database.write() as connection:  # a tie, as two replicas of PostgreSQL may make one
        await connection.execute(update(table).where(table.c.id.like("vid_3%")).values(submitted_at=1.0))
    everything, _ = await rows.page("ann", limit=100)
    for job in choice.sample(everything, 12):
        await rows.cancel(job.id)
    queued, _ = await rows.page("ann", limit=100, statuses=(Status.queued,))
    alone = {job.id: await rows.position(job) for job in queued}
    assert await WatchStore(database).positions([job.id for job in everything]) == alone
    assert len(alone) == 28 and max(alone.values()) > 3


async def test_expired_jobs_go_objects_first_but_their_keys_stay(database: Database) -> None:
    store = stores(database).jobs
    store._keep = 0.0
    job, _ = await store.submit(submission(key="k"))
    await store.cancel(job.id)
    bucket: Any = Folders()
    jobs = use_cases(database, bucket)
    bucket.away = True
    with pytest.raises(StorageError, match="away"):
        await jobs.remove_expired()
    assert (await store.get(job.id)).id == job.id  # the row stays until its objects are gone
    bucket.away = False
    await jobs.remove_expired()
    assert bucket.deleted == [f"jobs/{job.id}/"]
    with pytest.raises(NotFound):
        await store.get(job.id)
    with pytest.raises(Conflict, match="has expired"):
        await store.submit(submission(key="k"))


async def test_what_still_waits_outlives_its_job(database: Database) -> None:
    store = stores(database)
    store.jobs._keep = 0.0
    job, _ = await store.jobs.submit(submission())
    await store.jobs.cancel(job.id)
    bucket: Any = Folders()
    await use_cases(database, bucket).remove_expired()
    assert bucket.deleted == [f"jobs/{job.id}/"]
    waiting = [row for row in await store.outbox.messages() if row.status == "pending"]
    assert [row.destination.kind for row in waiting] == ["sink"]


async def test_a_rejection_is_announced_once_per_source_and_id(database: Database) -> None:
    both = stores(database)
    for _ in range(3):
        await both.jobs.reject("/src", "e1", "ann", Failure(code="invalid_request", message="no"), "prompt")
    rows = await both.outbox.messages()
    assert [row.event_type for row in rows] == ["dev.reelzero.video.rejected.v1"]
