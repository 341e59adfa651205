"""What the streams of an owner get to know, on both databases."""

from __future__ import annotations

import asyncio

import pytest

from eventing.domain.job import Status
from eventing.feeds import Change, Feeds, Subscription
from eventing.signal import Signal
from eventing.store import watched
from eventing.store.database.engine import Database
from eventing.store.watched import WatchStore
from tests.support.builders import stores, submission

PATIENCE = 60.0  # only a hang gets there


async def changes(stream: Subscription) -> list[Change]:
    """The next changes of a stream."""
    async with asyncio.timeout(PATIENCE):
        while True:
            mark = stream.signal.mark()
            if taken := stream.take():
                return taken
            await stream.signal.wait(mark, PATIENCE)


async def test_new_changed_and_deleted_jobs_reach_their_owners_stream_only(database: Database) -> None:
    store = stores(database).jobs
    feeds = Feeds(WatchStore(database), Signal(), poll_seconds=0.05)  # another process changes the jobs
    first, _ = await store.submit(submission(owner="ann"))
    async with feeds.subscribe("ann") as stream, feeds.subscribe("bob") as other:
        (now,) = await changes(stream)
        assert now.snapshot and (now.public_id, now.snapshot.position) == (first.id, 0)
        second, _ = await store.submit(submission(owner="ann"))
        (new,) = await changes(stream)
        assert new.snapshot and (new.public_id, new.snapshot.job.status) == (second.id, Status.queued)
        await store.cancel(first.id)
        seen = await changes(stream)
        while not any(each.public_id == first.id for each in seen):  # the second one's position came first
            seen = await changes(stream)
        (ended,) = (each for each in seen if each.public_id == first.id)
        assert ended.snapshot and ended.snapshot.job.status is Status.cancelled
        await store.drop(first.id)
        seen = await changes(stream)
        while not any(each.public_id == first.id for each in seen):
            seen = await changes(stream)
        assert [each.snapshot for each in seen if each.public_id == first.id] == [None]
        assert other.take() == []


async def test_the_deletion_of_a_job_that_is_not_among_the_newest_is_seen_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "NEWEST", 1)
    store, signal = stores(database).jobs, Signal()
    feeds = Feeds(WatchStore(database), signal, poll_seconds=PATIENCE)
    ids = [(await store.submit(submission(owner="ann")))[0].id for _ in range(3)]
    for job_id in ids:
        await store.cancel(job_id)
    await store.drop(ids[0])  # before the stream, which has no past
    async with feeds.subscribe("ann") as stream, feeds.subscribe("bob") as other:
        await store.drop(ids[1])
        signal.notify()
        assert [(each.public_id, each.snapshot) for each in await changes(stream)] == [(ids[1], None)]
        await store.drop(ids[2])
        signal.notify()
        assert [(each.public_id, each.snapshot) for each in await changes(stream)] == [(ids[2], None)]
        assert other.take() == []


async def test_a_job_that_changes_twice_before_its_stream_is_read_counts_once(database: Database) -> None:
    store, signal = stores(database).jobs, Signal()
    feeds = Feeds(WatchStore(database), signal, poll_seconds=PATIENCE)
    async with feeds.subscribe("ann") as slow, feeds.subscribe("ann") as quick:
        job, _ = await store.submit(submission(owner="ann"))
        signal.notify()
        await changes(quick)
        await store.cancel(job.id)
        signal.notify()
        await changes(quick)
        (change,) = slow.take()
        assert change.snapshot and change.snapshot.job.status is Status.cancelled


async def test_prompts_are_searched_in_any_case_and_letter_by_letter(database: Database) -> None:
    store = stores(database).jobs
    ids = {}
    for prompt in ("A Red circle", "100 % blue", "100 x blue"):
        ids[prompt] = (await store.submit(submission(prompt=prompt)))[0].id
    for text, prompts in (("red", ["A Red circle"]), ("0 % b", ["100 % blue"]), ("_", []), ("green", [])):
        page, _ = await store.page("ann", limit=9, search=text)
        assert [job.id for job in page] == [ids[prompt] for prompt in prompts]
