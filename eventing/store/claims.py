"""Change jobs for the dispatcher: claim slots and jobs together, renew, finish, free lapsed jobs.

A claim takes jobs in the order of their turns (eventing/store/lanes/candidates.py). Every later write
carries the attempt number as its fencing token.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import Select, bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from eventing.contract.errors import Conflict
from eventing.contract.records.models import Failure, Progress
from eventing.domain import job as state
from eventing.domain.announcer import Announcer
from eventing.domain.job import Job, LeaseLost
from eventing.domain.kinds import Result
from eventing.domain.pool import Pool
from eventing.domain.turns import EQUAL, Shares
from eventing.store.database.direct import fixed
from eventing.store.database.engine import Database, insert_once
from eventing.store.database.shielded import shielded_methods
from eventing.store.lanes import circuit_breaker
from eventing.store.lanes.candidates import Route, head_of, lock_owners, pairs_of
from eventing.store.lanes.due import LAPSED, OVERDUE, Due, look
from eventing.store.lanes.turns import set_clock
from eventing.store.rows import job_from_row, job_values
from eventing.store.single.holder import Change, SingleStatements
from eventing.store.tables import jobs, slots
from eventing.store.transitions import (
    add_messages,
    count_if_ended,
    drop_progress,
    free_slot,
    locked,
    locked_to_start,
    transition,
    write_transition,
)

SWEEP_LIMIT = 100


def _ids(due: ColumnElement[bool]) -> Select[Any]:
    return fixed(select(jobs.c.id).where(due).limit(SWEEP_LIMIT))


_TAKE_SLOT = fixed(update(slots).where(slots.c.pool == bindparam("at_pool"), slots.c.n == bindparam("at_n")))
_CLAIM = fixed(update(jobs).where(jobs.c.id == bindparam("old_id")))
_LAPSED, _OVERDUE = _ids(LAPSED), _ids(OVERDUE)
_CLAIMED = (
    "status", "attempt", "holder", "lease_until", "claimed_at", "started_at", "progress", "updated_at",
    "idle_seconds",
)  # fmt: skip


@shielded_methods
class ClaimStore:
    """The dispatchers' half of the job table. `holder` names this process on the jobs that it runs."""

    def __init__(
        self, database: Database, announcer: Announcer, holder: str, *, lease: float, keep_seconds: float,
        shares: Shares = EQUAL,
    ) -> None:  # fmt: skip
        self.lease = lease
        self._database = database.reserved  # never behind the callers
        self._readers = database
        self._announcer = announcer
        self._holder = holder
        self._keep = keep_seconds
        self._cap = shares.most_running
        self._single = SingleStatements(self._database, announcer, holder, lease)

    async def prepare(self, pools: tuple[Pool, ...]) -> None:
        """Make the slots of the pools, and drop free ones that a pool of an earlier, larger capacity left."""
        async with self._database.write() as connection:
            for pool in pools:
                for n in range(1, pool.capacity + 1):
                    await insert_once(connection, slots, {"pool": pool.name, "n": n})
                extra = (slots.c.pool == pool.name) & (slots.c.n > pool.capacity) & slots.c.job_id.is_(None)
                await connection.execute(delete(slots).where(extra))

    async def slots(self) -> dict[str, tuple[int, int]]:
        """Return how many slots of each pool are free, and how many taken."""
        taken = func.count(slots.c.job_id)
        query = select(slots.c.pool, func.count() - taken, taken).group_by(slots.c.pool)
        async with self._readers.read() as connection:
            return {pool: (free, held) for pool, free, held in await connection.execute(query)}

    async def claim(self, pool: Pool, most: int = 1) -> list[Job]:
        """Take up to `most` free slots and, in their order, the jobs that may use them."""
        claimed = await self._single.claim(pool, most) if self._is_simple(pool) else None
        if claimed or (claimed is not None and not await self._may_probe(pool)):
            return claimed
        async with self._database.write() as connection:
            if claimed is None:
                claimed = await self._claim(connection, pool, most)
            return claimed or await self._probe(connection, pool)

    async def renew(self, job: Job, progress: Progress | None) -> Job:
        """Renew the lease and store progress. The job returned shows a requested cancel. Raises LeaseLost."""
        return await self._change(job, lambda j, at: state.renew(j, job.attempt, progress, at, self.lease))

    async def start(self, job: Job) -> Job:
        """Record the predictor's first answer: the attempt counts, the circuit closes. Raises LeaseLost."""
        if short := await self._single.write(job, lambda j, at: state.start(j, job.attempt, at)):
            return short[0]
        async with self._database.write() as connection:
            old, at, has_failed = await locked_to_start(connection, job.id)
            new = state.start(old, job.attempt, at)
            if new != old:  # else it is stored, but the answer was lost
                await write_transition(connection, old, new, self._announcer)
            if has_failed:
                await circuit_breaker.close(connection, job.model, job.lane)
            return new

    async def free_slot(self, job: Job, pool: Pool | None = None) -> list[Job]:
        """Free the slot of an attempt that has left its device; with its pool, give it to the next job.

        Return the next job, if there is one.
        """
        pool = pool if pool and self._is_simple(pool) else None
        if pool and (short := await self._single.hand_on(job, pool)) is not None:
            return short
        async with self._database.write() as connection:
            await free_slot(connection, job)
            return await self._take(connection, pool, pool.routes[0], 1) if pool else []

    async def end(
        self, job: Job, verdict: Result | Failure, pool: Pool | None = None
    ) -> tuple[Job, list[Job]]:
        """End with a result or without, or as cancelled if a cancel was requested before.

        With its pool, the slot of the attempt goes to the next job in the same transaction. Return the job,
        and the next one, if there is one. Raises LeaseLost.
        """

        def change(known: Job, at: float) -> Job:
            if isinstance(verdict, Failure):
                return state.fail(known, job.attempt, verdict, at, self._keep)
            return state.complete(known, job.attempt, verdict, at, self._keep)

        pool = pool if pool and self._is_simple(pool) else None
        ended, following = await self._single.write(job, change, pool) or await self._end(job, change, pool)
        count_if_ended(ended)
        return ended, following

    async def complete(self, job: Job, result: Result) -> Job:
        """End with a result, or as cancelled if a cancel was requested before. Raises LeaseLost."""
        return (await self.end(job, result))[0]

    async def fail(self, job: Job, failure: Failure) -> Job:
        """End without a result. Raises LeaseLost."""
        return (await self.end(job, failure))[0]

    async def put_back(
        self, job: Job, cause: Failure, delay: float, *, used: bool = False, cut: bool = False
    ) -> Job:
        """Return the job to the queue for another attempt.

        `used` counts this one even if it never started, `cut` does not although it started. Raises LeaseLost.
        """
        how = {"used": used, "cut": cut}
        return await self._change(
            job, lambda j, at: state.put_back(j, job.attempt, cause, delay, at, self._keep, **how)
        )

    async def announce_progress(self, job: Job) -> None:
        """Put a progress event into the outbox and drop an older one that waits; do nothing after the end."""
        async with self._database.write() as connection:
            current, at = await locked(connection, job.id)
            if current.attempt == job.attempt and not current.status.is_terminal:
                await drop_progress(connection, job.id)
                await add_messages(connection, self._announcer.progressed(current), at)

    async def start_failed(self, job: Job, reason: str, probe_after: float) -> int:
        """Count a failed start and return how many there are in a row; the third opens the circuit."""
        async with self._database.write() as connection:
            return await circuit_breaker.count_failure(connection, job.model, job.lane, reason, probe_after)

    async def close_circuit(self, job: Job) -> None:
        """Close the circuit of the job's model: a predictor answered, even if only that it is busy."""
        async with self._database.write() as connection:
            await circuit_breaker.close(connection, job.model, job.lane)

    async def open_circuits(self) -> dict[tuple[str, str], str]:
        """Return the (model, lane) pairs whose circuit is open, with the reason."""
        return {(each.model, each.lane): each.reason for each in await self.circuits()}

    async def circuits(self) -> list[circuit_breaker.Circuit]:
        """Return the open circuits."""
        async with self._readers.read() as connection:
            return await circuit_breaker.open_circuits(connection)

    async def probe_now(self, model: str, lane: str) -> None:
        """Let the next job of an open circuit go out as a probe at once. Raises Conflict."""
        async with self._database.write() as connection:
            if not await circuit_breaker.probe_now(connection, model, lane):
                raise Conflict(f"{model} is not paused in lane {lane}", field="lane")

    async def due(self) -> Due:
        """Return what is due for the loops of a replica."""
        async with self._database.read() as connection:
            return await look(connection)

    async def free_lapsed(self) -> list[Job]:
        """Queue again, or cancel, the jobs whose lease has ended; return them."""
        return await self._each(_LAPSED, lambda job, at: state.lapse(job, at, self._keep))

    async def fail_overdue(self) -> list[Job]:
        """Fail the waiting jobs whose start deadline has passed; return them."""
        return await self._each(_OVERDUE, lambda job, at: state.miss_deadline(job, at, self._keep))

    async def _end(self, job: Job, change: Change, pool: Pool | None) -> tuple[Job, list[Job]]:
        async with self._database.write() as connection:
            old, at = await locked(connection, job.id)
            new = change(old, at)
            await write_transition(connection, old, new, self._announcer)
            return new, await self._take(connection, pool, pool.routes[0], 1) if pool else []

    async def _claim(self, connection: AsyncConnection, pool: Pool, most: int) -> list[Job]:
        if self._is_simple(pool):
            return await self._take(connection, pool, pool.routes[0], most)
        return await self._one_by_one(connection, pool, most)

    def _is_simple(self, pool: Pool) -> bool:
        """Tell whether the next job of a pool is the first of one index walk."""
        return len(pool.routes) == 1 and self._cap is None

    async def _one_by_one(self, connection: AsyncConnection, pool: Pool, most: int) -> list[Job]:
        """Take jobs of several routes, or under a cap: which one is next depends on those taken before."""
        claimed = list[Job]()
        if self._cap is not None:
            await lock_owners(connection)
        while len(claimed) < most:
            row = (await connection.execute(head_of(pool, self._cap))).first()
            more = await self._take(connection, pool, (row.model, row.lane), 1) if row else []
            if not more:
                break
            claimed += more
        return claimed

    async def _take(
        self, connection: AsyncConnection, pool: Pool, route: Route, most: int, *, probe: bool = False
    ) -> list[Job]:
        """Lock free slots and the next jobs of a route in one statement, and write that they are taken."""
        query = pairs_of(pool, route, self._cap, probe=probe)
        rows = (await connection.execute(query, {"most": most})).mappings().all()
        claimed, taken = list[Job](), []
        for row in rows:
            values = dict(row)
            n, freed_at, at = values.pop("slot_n"), values.pop("slot_freed_at"), values.pop("at")
            slot = {"at_pool": pool.name, "at_n": n}
            idle = 0.0 if freed_at is None else pool.idle(n, at - freed_at)
            values.pop("place")
            job = state.claim(job_from_row(values), self._holder, at, self.lease, idle)
            claimed.append(job)
            taken.append(slot | {"job_id": job.id, "attempt": job.attempt})
        if claimed:
            await connection.execute(_CLAIM, [_claim_values(job) for job in claimed])
            await connection.execute(_TAKE_SLOT, taken)
            await set_clock(connection, claimed)
        return claimed

    async def _may_probe(self, pool: Pool) -> bool:
        """Look without a transaction: where nothing waits and no circuit is open there is no probe."""
        async with self._database.read() as connection:
            return await circuit_breaker.due_for_probe(connection, pool.routes) is not None

    async def _probe(self, connection: AsyncConnection, pool: Pool) -> list[Job]:
        route = await circuit_breaker.due_for_probe(connection, pool.routes)
        claimed = await self._take(connection, pool, route, 1, probe=True) if route else []
        if route and claimed:
            await circuit_breaker.half_open(connection, route)
        return claimed

    async def _change(self, job: Job, change: Callable[[Job, float], Job]) -> Job:
        return await transition(self._database, self._announcer, job.id, change)

    async def _each(self, due: Select[Any], change: Callable[[Job, float], Job]) -> list[Job]:
        async with self._database.read() as connection:
            ids = (await connection.execute(due)).scalars().all()
        changed = list[Job]()
        for job_id in ids:
            # Otherwise another replica was faster, or the holder renewed in time.
            with suppress(LeaseLost):
                changed.append(await transition(self._database, self._announcer, job_id, change))
        return changed


def _claim_values(job: Job) -> dict[str, Any]:
    values = job_values(job)
    return {"old_id": job.id} | {name: values[name] for name in _CLAIMED}
