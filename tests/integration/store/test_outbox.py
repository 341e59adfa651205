"""The outbox: at least once, in order where it matters, kept and replayable, on both databases."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from sqlalchemy import text

from eventing.contract.errors import NotFound
from eventing.contract.records.models import Failure, Progress, Stage
from eventing.domain.job import Job
from eventing.domain.room import Room, line_of
from eventing.store import outbox
from eventing.store.database.engine import Database
from eventing.store.outbox import SCHEDULE, OutboxMessage, Try
from eventing.store.schema import migrate
from tests.support.builders import POOL, Stores, claim, stores, submission

OK, NO = Try(True, 0.1, 200), Try(False, 0.1, 503, "the receiver answered 503")
CAUSE = Failure(code="x", message="x")


async def running(database: Database) -> tuple[Stores, Job]:
    store = stores(database)
    await store.claims.prepare((POOL,))
    await store.jobs.submit(submission())
    job = await claim(store)
    return store, await store.claims.start(job)


async def test_messages_are_written_with_their_transition_and_delivered_once(database: Database) -> None:
    store, job = await running(database)
    await store.claims.fail(job, CAUSE)
    first = await store.outbox.claim(10)
    assert sorted((r.destination.kind, r.event_type.split(".")[-2]) for r in first) == [
        ("s3", "failed"),
        ("sink", "started"),
    ]
    assert await store.outbox.claim(10) == []  # leased; and the end waits until the start is through
    for row in first:
        await store.outbox.record(row, OK)
    second = await store.outbox.claim(10)
    assert [(r.destination.kind, r.event_type.split(".")[-2]) for r in second] == [("sink", "failed")]
    await store.outbox.record(second[0], OK)
    assert await store.outbox.claim(10) == []
    assert {row.status for row in await store.outbox.messages(job_id=job.id)} == {"delivered"}


async def test_only_the_latest_progress_waits_and_none_after_the_end(database: Database) -> None:
    store, job = await running(database)
    for step in (1, 2, 3):
        job = await store.claims.renew(job, Progress(stage=Stage.denoise, step=step, total_steps=3))
        await store.claims.announce_progress(job)
    kinds = [row.event_type for row in await store.outbox.messages(job_id=job.id)]
    assert sum("progressed" in kind for kind in kinds) == 1
    await store.claims.fail(job, CAUSE)
    await store.claims.announce_progress(job)
    kinds = [row.event_type for row in await store.outbox.messages(job_id=job.id)]
    assert not any("progressed" in kind for kind in kinds)


async def test_a_failed_try_waits_for_the_schedule_or_the_receivers_wish(database: Database) -> None:
    store, _ = await running(database)
    (row,) = await store.outbox.claim(10)
    await store.outbox.record(row, NO)
    (waiting,) = await store.outbox.messages()
    assert waiting.status == "pending" and waiting.tries == 1 and waiting.last_error == NO.error
    assert waiting.next_at - waiting.created_at >= SCHEDULE[0]
    assert await store.outbox.claim(10) == []
    await store.outbox.replay(row.id)
    (row,) = await store.outbox.claim(10)
    await store.outbox.record(row, Try(False, 0.1, 429, "slow down", retry_after=7200.0))
    (waiting,) = await store.outbox.messages()
    assert waiting.next_at - waiting.created_at > 7000


async def test_after_the_whole_schedule_a_message_is_dead_kept_and_replayable(database: Database) -> None:
    store, _ = await running(database)
    for _ in range(len(SCHEDULE) + 1):
        (row,) = await store.outbox.claim(10)
        await store.outbox.record(row, NO)
        (now,) = await store.outbox.messages()
        if now.status == "pending":
            await store.outbox.replay(row.id)
    assert now.status == "dead"
    assert [entry["try"] for entry in await store.outbox.tries(row.id)] == list(range(1, len(SCHEDULE) + 2))
    await store.outbox.replay(row.id)
    (row,) = await store.outbox.claim(10)
    await store.outbox.record(row, OK)
    assert (await store.outbox.messages())[0].status == "delivered"


async def test_an_owner_with_many_messages_leaves_places_to_the_next(database: Database) -> None:
    store = stores(database)
    for owner in ["ann"] * 12 + ["bob"] * 2:
        job, _ = await store.jobs.submit(
            submission(owner=owner, callback_url="https://receiver.example/hook")
        )
        await store.jobs.cancel(job.id)
    claimed = await store.outbox.claim(8, Room(8))
    lines = Counter(line_of(row.destination.kind, row.owner)[1] or row.destination.kind for row in claimed)
    assert lines == {"ann": 2, "sink": 2, "s3": 2, "bob": 1}  # one place stays free for the next owner
    under_way = [line_of(row.destination.kind, row.owner) for row in claimed]
    (next_one,) = await store.outbox.claim(1, Room(9, under_way))
    assert (next_one.destination.kind, next_one.owner) == ("webhook", "bob")


async def test_many_outcomes_are_recorded_at_once(database: Database) -> None:
    store, job = await running(database)
    await store.claims.fail(job, CAUSE)
    other, _ = await store.jobs.submit(submission())
    await store.jobs.cancel(other.id)
    rows = await store.outbox.claim(10)
    assert len(rows) == 4
    outcomes = [(row, NO if row.event_type.endswith("started.v1") else OK) for row in rows]
    absent = replace(rows[0], id="msg_gone")
    assert await store.outbox.record_all([*outcomes, (absent, OK)]) == {"msg_gone"}
    for row, outcome in outcomes:
        (now,) = [one for one in await store.outbox.messages() if one.id == row.id]
        assert (now.status, now.tries) == ("delivered" if outcome.ok else "pending", 1)
        (entry,) = await store.outbox.tries(row.id)
        assert (entry["try"], entry["http_status"]) == (1, outcome.http_status)
    assert await store.outbox.record_all(outcomes) == set()  # settled already: neither gone nor logged twice
    assert len(await store.outbox.tries(rows[0].id)) in (1, 2)


async def test_gone_is_dead_at_once(database: Database) -> None:
    store, _ = await running(database)
    (row,) = await store.outbox.claim(10)
    await store.outbox.record(row, Try(False, 0.1, 410, "the receiver answered 410", final=True))
    assert (await store.outbox.messages(status="dead"))[0].id == row.id


async def test_replaying_what_is_not_there_or_not_yours(database: Database) -> None:
    store, _ = await running(database)
    (row,) = await store.outbox.messages()
    for arguments in (("msg_nothing", None), (row.id, "bob")):
        with pytest.raises(NotFound):
            await store.outbox.replay(*arguments)


async def test_racing_relays_take_different_messages(postgres_url: str) -> None:
    replicas = [Database(postgres_url) for _ in range(4)]
    await migrate(replicas[0])
    parts = [stores(database) for database in replicas]
    for _ in range(40):
        job, _ = await parts[0].jobs.submit(submission())
        await parts[0].jobs.cancel(job.id)
    batches = await asyncio.gather(*(part.outbox.claim(100) for part in parts))
    ids = [row.id for batch in batches for row in batch]
    for database in replicas:
        await database.close()
    assert len(ids) == len(set(ids)) == 80


async def progressing(database: Database) -> tuple[Stores, Job, OutboxMessage]:
    """Stores, and a job whose latest progress is on its way to the sink."""
    store, job = await running(database)
    (start,) = await store.outbox.claim(10)
    await store.outbox.record(start, OK)
    job = await store.claims.renew(job, Progress(stage=Stage.denoise, step=1, total_steps=3))
    await store.claims.announce_progress(job)
    (progress,) = await store.outbox.claim(10)
    assert "progressed" in progress.event_type
    return store, job, progress


async def kinds_due(store: Stores) -> list[str]:
    rows = await store.outbox.claim(10)
    return [row.event_type.split(".")[-2] for row in rows if row.destination.kind == "sink"]


async def test_progress_waits_for_the_start(database: Database) -> None:
    store, job = await running(database)
    job = await store.claims.renew(job, Progress(stage=Stage.denoise, step=1, total_steps=3))
    await store.claims.announce_progress(job)
    assert await kinds_due(store) == ["started"]


async def test_progress_that_could_not_be_delivered_is_not_repeated(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "SCHEDULE", (0,) * 9)
    store, job, progress = await progressing(database)
    await store.claims.fail(job, CAUSE)
    await store.outbox.record(progress, NO)
    for row in (ends := await store.outbox.claim(10)):
        await store.outbox.record(row, OK)
    assert all("failed" in row.event_type for row in ends)
    assert await store.outbox.claim(10) == []


async def test_progress_whose_relay_died_is_not_repeated(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LEASE_SECONDS", 0)
    store, job, _ = await progressing(database)
    await store.claims.fail(job, CAUSE)
    assert "progressed" not in [*await kinds_due(store), *await kinds_due(store)]


async def test_a_message_waits_for_an_earlier_one_that_another_relay_is_just_taking(
    postgres_url: str,
) -> None:
    database, other = Database(postgres_url), Database(postgres_url)
    await migrate(database)
    store, job = await running(database)
    await store.claims.fail(job, CAUSE)
    async with other.write() as connection:
        await connection.execute(text("SELECT * FROM outbox WHERE event_type LIKE '%started%' FOR UPDATE"))
        assert await kinds_due(store) == []
    assert await kinds_due(store) == ["started"]
    await database.close()
    await other.close()


async def test_a_try_is_recorded_unless_the_message_is_gone(database: Database) -> None:
    store, job = await running(database)
    (row,) = await store.outbox.claim(10)
    assert await store.outbox.record(row, OK)
    assert await store.outbox.record(row, OK)  # another relay was faster
    await store.claims.fail(job, CAUSE)
    ends = await store.outbox.claim(10)
    await store.jobs.drop(job.id)
    gone = {row.destination.kind: not await store.outbox.record(row, OK) for row in ends}
    assert gone == {"s3": True, "sink": False}  # the sink still gets the event of a deleted file
