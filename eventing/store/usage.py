"""Store what jobs have used: read from the rows of ended jobs, and kept as sums once a row is deleted.

A job is counted by its row as long as it has one. The transaction that deletes the row adds its figures to
`usage`. One statement reads both, so a report sees each job once, however many are deleted meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    bindparam,
    case,
    delete,
    func,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from eventing.domain.usage import DAY, NO_WAIT, Usage, total
from eventing.store.database.direct import fixed
from eventing.store.database.engine import Database, now
from eventing.store.database.shielded import shielded_methods
from eventing.store.tables import jobs, usage

_KEY = ("day", "owner", "model", "wait_class")


class day_of(FunctionElement[int]):  # noqa: N801 -- reads as the SQL function it is
    """The day of a time: whole days since the epoch, in UTC."""

    inherit_cache = True
    type = Integer()


@compiles(day_of, "sqlite")
def _day_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} / {DAY} AS INTEGER)"


@compiles(day_of, "postgresql")
def _day_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return f"floor({compiler.process(element.clauses, **options)} / {DAY})::integer"


@dataclass(frozen=True)
class Entry:
    """What the jobs of one owner with one model have used that ended on one day (UTC, since the epoch)."""

    day: int
    owner: str
    model: str
    usage: Usage


@dataclass(frozen=True)
class Since:
    """Where a period begins: on a day (since the epoch), or the day of a moment so many seconds ago."""

    day: int | None = None
    seconds: float = 0.0

    def first_day(self, at: float) -> int:
        """Return the first day."""
        return int((at - self.seconds) // DAY) if self.day is None else self.day


@dataclass(frozen=True)
class Period:
    """The entries of whole days, from one day up to that of the database's clock."""

    since: int
    until: int
    entries: tuple[Entry, ...]


@shielded_methods
class UsageStore:
    """Reads what jobs have used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def period(self, since: Since, owner: str | None) -> Period:
        """Return the entries of the days from `since` until now, of one owner or (None) of all."""
        async with self._database.read() as connection:
            at = await now(connection)
            first = since.first_day(at)
            rows = (await connection.execute(_read(owner), {"since": first, "of_owner": owner})).mappings()
            entries = _entries(rows.all())
        return Period(first, max(first, int(at // DAY)), entries)


async def delete_counted(connection: AsyncConnection, job_id: str) -> None:
    """Delete the row of a job and add what it has used to the sums, once: the row can be deleted once."""
    row = (await connection.execute(_DELETE, {"of_job": job_id})).mappings().first()
    if row is not None and row["day"] is not None:
        await connection.execute(_add(connection.dialect.name), dict(row))


def _one(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, literal_column("1")), else_=literal_column("0"))


def _is(status: str) -> ColumnElement[bool]:
    return jobs.c.status == literal_column(f"'{status}'")


_FIGURES: Mapping[str, ColumnElement[Any]] = {
    "completed": _one(_is("completed")),
    "failed": _one(_is("failed")),
    "cancelled": _one(_is("cancelled")),
    # Not IS NOT NULL: in a RETURNING of SQLite 3.40 that is true for a column without a value.
    "reused": _one(func.coalesce(jobs.c.reused_from, literal_column("''")) != literal_column("''")),
    "cold_starts": jobs.c.cold_starts,
    "video_seconds": jobs.c.video_seconds,
    "used": jobs.c.used_seconds,
    "starting": jobs.c.starting_seconds,
    "wasted": jobs.c.wasted_seconds,
    "idle": jobs.c.idle_seconds,
}
_PLACE: Mapping[str, ColumnElement[Any]] = {
    "day": day_of(jobs.c.completed_at),
    "owner": jobs.c.owner,
    "model": jobs.c.model,
    "wait_class": func.coalesce(jobs.c.wait_class, literal_column(str(NO_WAIT))),
}
_COLUMNS = [column.label(name) for name, column in {**_PLACE, **_FIGURES}.items()]
_DELETE = fixed(delete(jobs).where(jobs.c.id == bindparam("of_job")).returning(*_COLUMNS))


@lru_cache(maxsize=2)
def _add(dialect: str) -> Any:
    statement = sqlite_insert(usage) if dialect == "sqlite" else postgresql_insert(usage)
    sums = {name: usage.c[name] + statement.excluded[name] for name in _FIGURES}
    return fixed(statement.on_conflict_do_update(index_elements=list(_KEY), set_=sums))


def _read(owner: str | None) -> Select[Any]:
    """Return the query of all figures since a day, of rows and sums together."""
    since = bindparam("since", type_=Integer())
    of_rows = select(*_COLUMNS).where(jobs.c.completed_at >= since * DAY)
    of_sums = select(*(usage.c[column.key] for column in _COLUMNS)).where(usage.c.day >= since)
    if owner is not None:
        of_rows = of_rows.where(jobs.c.owner == bindparam("of_owner"))
        of_sums = of_sums.where(usage.c.owner == bindparam("of_owner"))
    both = union_all(of_rows, of_sums).subquery()
    keys = [both.c[name] for name in _KEY]
    sums = [func.sum(both.c[name]).label(name) for name in _FIGURES]
    jobs_of = func.sum(both.c.completed + both.c.failed + both.c.cancelled).label("jobs")
    return select(*keys, *sums, jobs_of).group_by(*keys).order_by(*keys)


def _entries(rows: Any) -> tuple[Entry, ...]:
    grouped: dict[tuple[int, str, str], list[Usage]] = {}
    for row in rows:
        figures = {name: row[name] for name in _FIGURES}
        part = Usage(**figures, waits={row["wait_class"]: int(row["jobs"])})
        grouped.setdefault((row["day"], row["owner"], row["model"]), []).append(part)
    return tuple(Entry(*key, total(parts)) for key, parts in grouped.items())
