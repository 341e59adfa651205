"""Write a transition: the row, its slot in the pool and its outbox rows, in one transaction.

The end of the last job of a group is also the end of the group. Two jobs may end at once in two replicas,
each in a transaction that does not see the other. So a transaction that ends a job of a group takes the lock
of the group before it reads the other jobs: the second transaction waits for the commit of the first. It
takes no lock after that one but the row of the story, so there is no circle of waits. On SQLite the whole
transaction is exclusive.

The end of a job of a story makes the story due: eventing/stories/advance.py looks for its next steps.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import bindparam, delete, insert, literal_column, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from eventing.contract.errors import NotFound
from eventing.contract.records.events import PROGRESSED
from eventing.domain.announcer import Announcer, Message
from eventing.domain.group import Group
from eventing.domain.job import Job, LeaseLost, Status
from eventing.metrics.jobs import count_end
from eventing.store.database.direct import fixed
from eventing.store.database.engine import Transactions, db_now
from eventing.store.lanes import circuit_breaker
from eventing.store.lanes.turns import lock_flow, void_turns
from eventing.store.rows import changed_values, job_from_row, message_values
from eventing.store.tables import jobs, outbox, slots, stories

# The clock is read outside the locking part, so it is read after the wait for the row.
_row = select(jobs).where(jobs.c.id == bindparam("job_id")).with_for_update().cte("row")
_LOCK = fixed(select(_row, db_now().label("at")))
_LOCK_TO_START = fixed(
    _LOCK.add_columns(circuit_breaker.has_failed(_row.c.model, _row.c.lane).label("has_failed"))
)


async def locked(connection: AsyncConnection, job_id: str) -> tuple[Job, float]:
    """Lock a job until the transaction ends; return it with the database's time. Raises NotFound."""
    row = (await connection.execute(_LOCK, {"job_id": job_id})).mappings().first()
    if row is None:
        raise NotFound(f"there is no job {job_id}")
    values = dict(row)
    at = values.pop("at")
    return job_from_row(values), at


async def locked_to_start(connection: AsyncConnection, job_id: str) -> tuple[Job, float, bool]:
    """Do as `locked`; return also whether failed starts of the job's model and lane are recorded."""
    row = (await connection.execute(_LOCK_TO_START, {"job_id": job_id})).mappings().first()
    if row is None:
        raise NotFound(f"there is no job {job_id}")
    values = dict(row)
    at, has_failed = values.pop("at"), bool(values.pop("has_failed"))
    return job_from_row(values), at, has_failed


_WRITE = fixed(
    update(jobs).where(
        jobs.c.id == bindparam("old_id"),
        jobs.c.status == bindparam("old_status"),
        jobs.c.attempt == bindparam("old_attempt"),
    )
)
_ADD = fixed(insert(outbox))
_NEW_MESSAGE = dict.fromkeys(("lease_until", "last_error", "delivered_at")) | {
    "status": "pending",
    "tries": 0,
}
_LOCK_GROUP = text("SELECT pg_advisory_xact_lock(CAST(:kind AS integer), hashtext(:group_id))")
_GROUP_LOCKS = 7263536  # any number that no other program on this database uses
_OF_GROUP = fixed(
    select(jobs).where(jobs.c.group_id == bindparam("group_id")).order_by(jobs.c.submitted_at, jobs.c.id)
)
_FREE_SLOT = fixed(
    update(slots)
    .where(slots.c.job_id == bindparam("old_id"), slots.c.attempt == bindparam("old_attempt"))
    .values(job_id=None, attempt=None, freed_at=db_now())
)
_STORY_DUE = fixed(
    update(stories)
    .where(stories.c.id == bindparam("of_story"))
    .values(due_at=db_now(), version=stories.c.version + literal_column("1"))
)
_DROP_PROGRESS = fixed(
    delete(outbox).where(
        outbox.c.job_id == bindparam("of_job"),
        outbox.c.event_type == PROGRESSED,
        outbox.c.status == "pending",
        outbox.c.lease_until.is_(None),
    )
)


async def free_slot(connection: AsyncConnection, job: Job) -> None:
    """Free the slot of an attempt, if it still has one."""
    await connection.execute(_FREE_SLOT, {"old_id": job.id, "old_attempt": job.attempt})


async def write_transition(connection: AsyncConnection, old: Job, new: Job, announcer: Announcer) -> None:
    """Store the changes if the row is still the one that was read. Raises LeaseLost if it is not."""
    leaves_queue = old.status is Status.queued and new.status.is_terminal
    if leaves_queue:
        await lock_flow(connection, old)
    unchanged = {"old_id": old.id, "old_status": str(old.status), "old_attempt": old.attempt}
    result = await connection.execute(_WRITE, unchanged | changed_values(old, new))
    if result.rowcount != 1:
        raise LeaseLost(f"job {old.id} changed under attempt {old.attempt}")
    if old.status is Status.in_progress and new.status is not Status.in_progress:
        await free_slot(connection, old)
    if leaves_queue:
        await void_turns(connection, old)
    if new.status.is_terminal and announcer.sink:
        await drop_progress(connection, old.id)
    await add_messages(connection, announcer.transition(old, new), new.updated_at)
    if new.status.is_terminal and new.group_id:
        await end_group(connection, new, new.group_id, announcer)
    if new.status.is_terminal and new.story_id:
        await connection.execute(_STORY_DUE, {"of_story": new.story_id})


async def end_group(connection: AsyncConnection, job: Job, group_id: str, announcer: Announcer) -> None:
    """Announce the end of a group if the end of this job, which is written, is the last."""
    if connection.dialect.name == "postgresql":
        await connection.execute(_LOCK_GROUP, {"kind": _GROUP_LOCKS, "group_id": group_id})
    group = await read_group(connection, group_id)
    if group and group.is_over:
        await add_messages(connection, announcer.group_completed(group, job), job.updated_at)


async def read_group(connection: AsyncConnection, group_id: str) -> Group | None:
    """Return the jobs that a group has; None if it has none."""
    rows = (await connection.execute(_OF_GROUP, {"group_id": group_id})).mappings().all()
    return Group(group_id, tuple(map(job_from_row, rows))) if rows else None


async def add_messages(connection: AsyncConnection, messages: Iterable[Message], at: float) -> None:
    """Put messages into the outbox, due at once."""
    if rows := outbox_rows(messages, at):
        await connection.execute(_ADD, rows)


def outbox_rows(messages: Iterable[Message], at: float) -> list[dict[str, Any]]:
    """Return the rows of messages that are due at once."""
    return [_NEW_MESSAGE | message_values(one) | _own_values(at) for one in messages]


def _own_values(at: float) -> dict[str, Any]:
    return {"id": f"msg_{secrets.token_hex(12)}", "next_at": at, "created_at": at}


async def transition(
    database: Transactions, announcer: Announcer, job_id: str, change: Callable[[Job, float], Job]
) -> Job:
    """Read, change and write one job in one transaction. Raises NotFound, LeaseLost."""
    async with database.write() as connection:
        old, at = await locked(connection, job_id)
        new = change(old, at)
        if new != old:
            await write_transition(connection, old, new, announcer)
    if not old.status.is_terminal:
        count_if_ended(new)
    return new


def count_if_ended(job: Job) -> None:
    """Count a job that has just ended, once that is committed."""
    if job.status.is_terminal:
        code = job.error.code if job.error else ""
        count_end(job.model, job.lane, job.status, code, (job.completed_at or 0) - job.submitted_at)


async def drop_messages(connection: AsyncConnection, subject_id: str) -> None:
    """Delete the messages of a job or a story that is deleted, but those that still have to be delivered."""
    mine = outbox.c.job_id == subject_id
    orphan = mine & (outbox.c.status == "pending") & (outbox.c.destination != "s3")
    await connection.execute(update(outbox).where(orphan).values(job_id=None))
    await connection.execute(delete(outbox).where(mine))


async def drop_progress(connection: AsyncConnection, job_id: str) -> None:
    """Delete a job's waiting progress messages: a newer one replaces them, and so does the end."""
    await connection.execute(_DROP_PROGRESS, {"of_job": job_id})
