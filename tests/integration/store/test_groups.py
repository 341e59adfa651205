"""Groups in the store, on both databases: all or none, one announcement, also from two replicas at once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import func, select

from eventing.contract.errors import Conflict, NotFound, TooMany
from eventing.contract.records.models import Failure, JobRequest
from eventing.domain.pool import Pool
from eventing.drafts import Origin
from eventing.store.database.engine import Database
from eventing.store.schema import migrate
from eventing.store.tables import jobs as table
from eventing.testing import fake_result
from tests.support.builders import Folders, Stores, claim, stores, use_cases

GROUP_COMPLETED = "dev.reelzero.video.group.completed.v1"
WIDE = Pool("tiny/default", 16, (("tiny", "default"),))


async def grouped(database: Database, n: int = 2, **fields: Any) -> str:
    """Submit a group of jobs; its id."""
    request = JobRequest(prompt="a red circle", seed=7, n=n, **fields)
    job, _ = await use_cases(database, Folders()).submit(request, Origin("ann", "rest"))
    assert job.group_id
    return job.group_id


async def announced(store: Stores) -> list[dict[str, Any]]:
    """The group events that wait for the sink."""
    return [
        json.loads(message.body)
        for message in await store.outbox.messages(limit=1000)
        if message.event_type == GROUP_COMPLETED and message.destination.kind == "sink"
    ]


async def test_the_quota_counts_every_job_and_stores_none_beyond_it(database: Database) -> None:
    jobs = use_cases(database, Folders(), quota=4)
    await jobs.submit(JobRequest(prompt="a red circle", n=3), Origin("ann", "rest"))
    with pytest.raises(TooMany, match="3 jobs are waiting; 4 may wait at once"):
        await jobs.submit(JobRequest(prompt="a blue circle", n=2), Origin("ann", "rest", key="k"))
    async with database.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(table))).scalar_one() == 3
    _, new = await jobs.submit(JobRequest(prompt="a blue circle"), Origin("ann", "rest", key="k"))
    assert new, "nor has the key been taken"


async def test_copies_of_one_request_make_one_group(database: Database) -> None:
    jobs, origin = use_cases(database, Folders()), Origin("ann", "rest", key="k")
    request = JobRequest(prompt="a red circle", n=3)
    made = await asyncio.gather(*(jobs.submit(request, origin) for _ in range(10)))
    assert sum(new for _, new in made) == 1
    assert len({(job.id, job.group_id) for job, _ in made}) == 1
    page, _ = await stores(database).jobs.page("ann", limit=100, ascending=True)
    assert page[0].id == made[0][0].id and len(page) == 3


async def test_a_group_whose_last_two_jobs_end_at_once_is_announced_once(database_url: str) -> None:
    """Each end is a transaction of another replica, which does not see the other end before its commit."""
    replicas = [Database(database_url), Database(database_url)]
    await migrate(replicas[0])
    both = [stores(replica, holder=name) for replica, name in zip(replicas, "ab", strict=True)]
    await both[0].claims.prepare((WIDE,))
    groups = [await grouped(replicas[0]) for _ in range(6)]
    held = [await claim(store, WIDE) for _ in groups for store in both]
    await asyncio.gather(*(
        store.claims.complete(job, fake_result(job.video, job.id, 1, None))
        for job, store in zip(held, both * len(groups), strict=True)
    ))  # fmt: skip
    events = await announced(both[0])
    assert sorted(event["subject"] for event in events) == sorted(groups)
    assert all(event["data"]["counts"]["completed"] == 2 for event in events)
    for replica in replicas:
        await replica.close()


async def test_every_way_to_end_is_the_end_of_a_group(database: Database) -> None:
    store = stores(database)
    await store.claims.prepare((WIDE,))
    group_id = await grouped(database, 3, metadata={"story": "7"}, callback_url="https://example.com/hook")
    done, failed = await claim(store, WIDE), await claim(store, WIDE)
    await store.claims.complete(done, fake_result(done.video, done.id, 1, None))
    await store.claims.fail(failed, Failure(code="out_of_memory", message="too large"))
    assert await announced(store) == []
    last = (await store.jobs.group(group_id, "ann")).jobs[2]
    await store.jobs.cancel(last.id)
    (event,) = await announced(store)
    data = event["data"]
    assert (event["type"], event["subject"], data["group"]) == (GROUP_COMPLETED, group_id, group_id)
    assert data["counts"] == {"queued": 0, "in_progress": 0, "completed": 1, "failed": 1, "cancelled": 1}
    assert [(job["job_id"], job["seed"]) for job in data["jobs"]] == [
        (done.id, 7), (failed.id, 8), (last.id, 9)
    ]  # fmt: skip
    assert data["jobs"][0]["result_url"] == f"http://test/v1/jobs/{done.id}/result"
    assert data["jobs"][1]["error"]["code"] == "out_of_memory"
    assert data["metadata"] == {"story": "7"}
    kinds = [m.destination.kind for m in await store.outbox.messages() if m.event_type == GROUP_COMPLETED]
    assert sorted(kinds) == ["sink", "webhook"]


async def test_a_job_that_is_queued_again_ends_its_group_again_under_another_id(database: Database) -> None:
    store = stores(database)
    await store.claims.prepare((WIDE,))
    group_id = await grouped(database)
    for job in (await store.jobs.group(group_id, "ann")).jobs:
        await store.jobs.cancel(job.id)
    first = (await store.jobs.group(group_id, "ann")).jobs[0]
    await store.jobs.requeue(first.id)
    assert (await store.jobs.group(group_id, "ann")).status == "in_progress"
    job = await claim(store, WIDE)
    await store.claims.complete(job, fake_result(job.video, job.id, 1, None))
    events = await announced(store)
    assert len({event["id"] for event in events}) == len(events) == 2


async def test_a_group_goes_with_its_jobs_and_its_key_stays(database: Database) -> None:
    bucket: Any = Folders()
    jobs, store = use_cases(database, bucket, keep=0.0), stores(database)
    origin, request = Origin("ann", "rest", key="k"), JobRequest(prompt="a red circle", n=2)
    job, _ = await jobs.submit(request, origin)
    group_id = str(job.group_id)
    with pytest.raises(Conflict, match="only one whose jobs have all ended can be deleted"):
        await jobs.delete_group(group_id, "ann")
    with pytest.raises(NotFound):
        await jobs.cancel_group(group_id, "bob")
    group = await jobs.cancel_group(group_id, "ann")
    assert group.is_over and group.counts.cancelled == 2
    await jobs.delete(job.id, "ann")
    left, new = await jobs.submit(request, origin)
    assert (left.id, new) == (group.jobs[1].id, False), "what is left of the group"
    await jobs.remove_expired()
    with pytest.raises(NotFound):
        await store.jobs.group(group_id, "ann")
    with pytest.raises(Conflict, match=f"this key made group {group_id}, which has expired"):
        await jobs.submit(request, origin)
    assert set(bucket.deleted) == {f"jobs/{each.id}/" for each in group.jobs}
    assert len(await announced(store)) == 1, "it is still sent"
