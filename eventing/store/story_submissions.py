"""Store new stories, once per key and id, within the quota; and find stories."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from eventing.contract.errors import Conflict, InvalidRequest, NotFound, TooMany
from eventing.domain.story import Story, owned_story_id
from eventing.domain.turns import EQUAL, Shares
from eventing.store.database.engine import Database, insert_once, now
from eventing.store.database.shielded import shielded_methods
from eventing.store.rows import story_from_row, story_values
from eventing.store.tables import idempotency, stories


@shielded_methods
class StorySubmissions:
    """Writes new stories. `quota` is how many stories of an owner may be unfinished."""

    def __init__(self, database: Database, *, quota: int, shares: Shares = EQUAL) -> None:
        self._database = database
        self._quota = quota
        self._shares = shares

    async def submit(self, story: Story, key: str | None = None) -> tuple[Story, bool]:
        """Store a story, due at once; return it, and whether it is new.

        It is not new if an equal submission made it before. Raises InvalidRequest if the key was used with
        another body, Conflict if the id was, TooMany over the quota.
        """
        async with self._database.write() as connection:
            at = await now(connection)
            if key is not None and not await self._take_key(connection, story, key, at):
                return await self._first(connection, story, key), False
            row = story_values(story) | {"version": 1, "submitted_at": at, "updated_at": at, "due_at": at}
            if not await insert_once(connection, stories, row):
                return await self._same(connection, story), False
            await self._check_quota(connection, story.owner)
            return story_from_row(row), True

    async def earlier(self, story: Story, key: str | None = None) -> Story | None:
        """Return the story that an equal submission made, without storing anything. Raises as `submit`."""
        async with self._database.read() as connection:
            if key is not None and (await connection.execute(select(_key_of(story, key).exists()))).scalar():
                return await self._first(connection, story, key)
            existing = await find(connection, stories.c.id == story.id)
        return None if existing is None else _equal(existing, story)

    async def _take_key(self, connection: AsyncConnection, story: Story, key: str, at: float) -> bool:
        row = {"owner": story.owner, "key": key, "digest": story.digest, "job_id": story.id}
        return await insert_once(connection, idempotency, row | {"created_at": at})

    async def _first(self, connection: AsyncConnection, story: Story, key: str) -> Story:
        """Return the story that the key has made. Raises InvalidRequest, Conflict."""
        row = (await connection.execute(_key_of(story, key))).one()
        first = await find(connection, stories.c.id == row.job_id)
        name = first.public_id if first else row.job_id
        if row.digest != story.digest:
            problem = f"this key was used before, with another body, for {name}"
            raise InvalidRequest(problem, field="idempotency_key")
        if first is None:
            raise Conflict(f"this key made {name}, which has expired", field="idempotency_key")
        return first

    async def _same(self, connection: AsyncConnection, story: Story) -> Story:
        existing = await find(connection, stories.c.id == story.id)
        if existing is None:
            raise Conflict(f"the id {story.public_id} is taken", field="id")
        return _equal(existing, story)

    async def _check_quota(self, connection: AsyncConnection, owner: str) -> None:
        """Raise TooMany, which undoes the transaction, if more stories would be unfinished than may."""
        unfinished = (stories.c.owner == owner) & stories.c.completed_at.is_(None)
        query = select(func.count()).select_from(stories).where(unfinished)
        count = int((await connection.execute(query)).scalar_one())
        if count > self._quota:
            problem = f"{count - 1} stories are unfinished; {self._quota} may be at once"
            raise TooMany(problem, retry_after=30)


def _key_of(story: Story, key: str) -> Select[tuple[str, str]]:
    mine = (idempotency.c.owner == story.owner) & (idempotency.c.key == key)
    return select(idempotency.c.digest, idempotency.c.job_id).where(mine)


def _equal(existing: Story, story: Story) -> Story:
    if existing.digest != story.digest:
        raise Conflict(f"story {story.public_id} exists with another request", field="id")
    return existing


async def find(
    connection: AsyncConnection, which: ColumnElement[bool], *, lock: bool = False
) -> Story | None:
    """Return the story that meets a condition; with `lock`, its row is locked."""
    query = select(stories).where(which)
    row = (await connection.execute(query.with_for_update() if lock else query)).mappings().first()
    return None if row is None else story_from_row(row)


async def found(
    connection: AsyncConnection, story_id: str, owner: str | None, *, lock: bool = False
) -> Story:
    """Return a story by its public id, or an operator's by the id of its row. Raises NotFound."""
    mine = stories.c.id == story_id
    if owner is not None:
        ids = [story_id, owned_story_id(owner, story_id)]
        mine = stories.c.id.in_(ids) & (stories.c.owner == owner)
    story = await find(connection, mine, lock=lock)
    if story is None:
        raise NotFound(f"there is no story {story_id}")
    return story
