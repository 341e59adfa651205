"""Store stories: submit, read, list, and write what their loop decided, guarded by the version of the row.

The end of a job raises the version of its story in the transaction that ends the job. So what was decided
without knowing of that end is not written, and is decided again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from sqlalchemy import ColumnElement, delete, exists, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from eventing.contract.records.models import Status
from eventing.contract.records.results import StoredFile
from eventing.domain.announcer import Message
from eventing.domain.job import Job
from eventing.domain.story import Story
from eventing.store import listing
from eventing.store.database.engine import db_now, insert_once, now, replace_row
from eventing.store.database.shielded import shielded_methods
from eventing.store.lanes.due import STORY_DUE
from eventing.store.lanes.turns import take_turns
from eventing.store.listing import Position
from eventing.store.rows import (
    job_from_row,
    job_values,
    outputs_from_row,
    outputs_value,
    story_from_row,
    story_values,
)
from eventing.store.story_submissions import StorySubmissions, found
from eventing.store.tables import idempotency, jobs, step_results, stories
from eventing.store.transitions import add_messages, drop_messages

Outputs = Mapping[str, StoredFile]


class StoryChanged(Exception):
    """The story, or one of its jobs, has changed since it was read. Nothing is written."""


@dataclass(frozen=True)
class Moment:
    """A story with its jobs, by step, at one time of the database's clock."""

    story: Story
    jobs: Mapping[str, Job]
    at: float


@dataclass(frozen=True)
class Written:
    """What is written together with a story. `results` are outputs by their fingerprints."""

    jobs: Sequence[Job] = ()
    messages: Sequence[Message] = ()
    results: Mapping[str, Outputs] = field(default_factory=dict)


@shielded_methods
class StoryStore(StorySubmissions):
    """The rows of stories."""

    async def get(self, story_id: str, owner: str | None = None) -> Story:
        """Return a story by its public id, or an operator's by the id of its row. Raises NotFound."""
        async with self._database.read() as connection:
            return await found(connection, story_id, owner)

    async def moment(self, story_id: str) -> Moment:
        """Return a story by the id of its row, with its jobs. Raises NotFound."""
        async with self._database.read() as connection:
            story = await found(connection, story_id, None)
            rows = (await connection.execute(select(jobs).where(jobs.c.story_id == story_id))).mappings()
            known = {job.id: job for job in map(job_from_row, rows)}
            mine = {step.name: known[step.job_id] for step in story.steps if step.job_id in known}
            return Moment(story, mine, await now(connection))

    async def jobs_of(self, story_ids: Sequence[str]) -> dict[str, dict[str, Job]]:
        """Return the jobs of stories: by story, then by the id of the job."""
        mine: dict[str, dict[str, Job]] = {story_id: {} for story_id in story_ids}
        async with self._database.read() as connection:
            rows = (await connection.execute(select(jobs).where(jobs.c.story_id.in_(story_ids)))).mappings()
            for job in map(job_from_row, rows):
                mine[job.story_id or ""][job.id] = job
        return mine

    async def by_ids(self, story_ids: Sequence[str]) -> dict[str, Story]:
        """Return the stories of these rows that exist, by the ids of the rows."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(stories).where(stories.c.id.in_(story_ids)))).mappings()
            return {story.id: story for story in map(story_from_row, rows)}

    async def page(
        self, owner: str | None, *, limit: int, after: str | None = None, statuses: tuple[Status, ...] = ()
    ) -> tuple[list[Story], bool]:
        """Return stories, newest first, and whether more follow. `after` is a cursor.

        Raises InvalidRequest.
        """
        order = (stories.c.submitted_at, stories.c.id)
        query = select(stories).order_by(*(column.desc() for column in order)).limit(limit + 1)
        query = query if owner is None else query.where(stories.c.owner == owner)
        if statuses:
            query = query.where(stories.c.status.in_([str(status) for status in statuses]))
        if after is not None:
            place = listing.read_cursor(after)
            query = query.where(tuple_(*order) < (place.submitted_at, place.id))
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [story_from_row(row) for row in rows[:limit]], len(rows) > limit

    async def due(self, limit: int = 100) -> list[str]:
        """Return the ids of stories whose next steps are to be looked for, those first that wait longest."""
        query = select(stories.c.id).where(STORY_DUE).order_by(stories.c.due_at).limit(limit)
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def write(self, old: Story, new: Story, more: Written) -> Story:
        """Write what a look at a story led to: the story, new jobs, messages, results; all or nothing.

        Raises StoryChanged.
        """
        async with self._database.write() as connection:
            at = await now(connection)
            queued = await self._in_turn(connection, more.jobs, at)  # locks flows: before the story's row
            row = story_values(new) | {"version": old.version + 1}
            unchanged = (stories.c.id == old.id) & (stories.c.version == old.version)
            result = await connection.execute(update(stories).where(unchanged).values(**row))
            if result.rowcount != 1:
                raise StoryChanged(old.id)
            for job in queued:
                await insert_once(connection, jobs, job_values(job))
            in_order = sorted(more.results)  # so that two stories never wait in a circle
            for fingerprint in in_order:
                await self._keep(connection, new, fingerprint, more.results[fingerprint], at)
            await add_messages(connection, more.messages, at)
            return story_from_row(row)

    async def postpone(self, story_id: str, seconds: float) -> None:
        """Look at a story later, since something that it needs is away."""
        later = update(stories).where(stories.c.id == story_id).values(due_at=db_now() + seconds)
        async with self._database.write() as connection:
            await connection.execute(later)

    async def change(
        self, story_id: str, owner: str | None, change: Callable[[Story, float], Story]
    ) -> Story:
        """Change a story as its owner asks, and make it due. Raises NotFound, and what `change` raises."""
        async with self._database.write() as connection:
            old = await found(connection, story_id, owner, lock=True)
            at = await now(connection)
            new = change(old, at)
            if new == old:
                return old
            row = story_values(new) | {"version": old.version + 1, "due_at": at}
            await connection.execute(update(stories).where(stories.c.id == old.id).values(**row))
            return story_from_row(row)

    async def results(self, owner: str, fingerprints: Sequence[str]) -> dict[str, Outputs]:
        """Return the outputs of the owner's equal steps, by fingerprint, as far as there are any."""
        mine = (step_results.c.owner == owner) & step_results.c.fingerprint.in_(fingerprints)
        async with self._database.read() as connection:
            rows = await connection.execute(select(step_results).where(mine))
            return {row.fingerprint: outputs_from_row(row.outputs) for row in rows}

    async def expired(self, limit: int = 100) -> Sequence[str]:
        """Return the ids of stories whose retention has ended."""
        due = stories.c.expires_at.is_not(None) & (stories.c.expires_at < db_now())
        async with self._database.read() as connection:
            return (await connection.execute(select(stories.c.id).where(due).limit(limit))).scalars().all()

    async def known(self, ids: Sequence[str]) -> set[str]:
        """Return which of some ids have a row."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(stories.c.id).where(stories.c.id.in_(ids)))
            return set(rows.scalars())

    async def drop(self, story_id: str) -> None:
        """Delete a story's rows, except those of its jobs, and messages that still have to be delivered."""
        async with self._database.write() as connection:
            await drop_messages(connection, story_id)
            await connection.execute(delete(step_results).where(step_results.c.story_id == story_id))
            await connection.execute(delete(stories).where(stories.c.id == story_id))

    async def _in_turn(self, connection: AsyncConnection, more: Iterable[Job], at: float) -> list[Job]:
        """Return new jobs with their times and turns. Flows are locked in one order by all replicas."""
        timed = [
            job.evolve(at, submitted_at=at + number * listing.TICK, not_before=at)
            for number, job in enumerate(more)
        ]
        queued = list[Job]()
        for _, flow in groupby(sorted(timed, key=_flow), key=_flow):
            queued += await take_turns(connection, list(flow), self._shares)
        return queued

    async def _keep(
        self, connection: AsyncConnection, story: Story, fingerprint: str, outputs: Outputs, at: float
    ) -> None:
        row = {"story_id": story.id, "outputs": outputs_value(outputs), "made_at": at}
        row |= {"owner": story.owner, "fingerprint": fingerprint}
        await replace_row(connection, step_results, row)


def cursor_of(story: Story) -> str:
    """Return the cursor that continues a listing after this story."""
    return Position(story.submitted_at, story.id).cursor()


def story_exists() -> ColumnElement[bool]:
    """Return SQL: whether the story that an idempotency key has made still has a row."""
    return exists().where(stories.c.id == idempotency.c.job_id)


def _flow(job: Job) -> tuple[str, str, str, int]:
    return job.model, job.lane, job.owner, job.priority
