"""The plans of the hot statements: neither ended nor waiting jobs are read one by one, or sorted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ClauseElement, Select, func, insert, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.compiler import SQLCompiler

from eventing.domain.pool import Pool
from eventing.store import levels
from eventing.store.database.engine import Database
from eventing.store.lanes import due, turns
from eventing.store.lanes.candidates import head_of, pairs_of
from eventing.store.rows import job_values
from eventing.store.schema import migrate
from eventing.store.single import statements
from eventing.store.tables import jobs
from tests.support.builders import POOL, make_job

OF_WAITING = ("ix_jobs_turns", "ix_jobs_queue", "ix_jobs_waiting", "ix_jobs_start_by")
ROWS = 2000  # of each status; enough that a planner prefers an index


async def test_a_claim_and_a_position_walk_the_index_of_turns(database: Database) -> None:
    route = POOL.routes[0]
    both = Pool("p", 1, (route, ("tiny", "long")))
    statements = {
        "claim": pairs_of(POOL, route, None),
        "next lane": head_of(both, None),
        "position": _position(),
    }
    async with database.write() as connection:
        await _fill(connection)
        for name, statement in statements.items():
            steps = await _steps(connection, statement)
            assert steps, name
            assert all("ix_jobs_turns" in step for step in steps), (name, steps)


async def test_a_claim_and_an_end_in_one_statement_walk_the_index_of_turns(postgres_url: str) -> None:
    database = Database(postgres_url)
    await migrate(database)
    end = statements.held(statements.Shape(("status",), frees=True, pool=POOL))
    values = {"most": 4, "holder": "me", "lease": 30.0, "starting": "{}", "old_id": "a", "old_attempt": 1}
    values |= {"old_sequence": 1, "at": 1.0, "new_status": "completed"}
    async with database.write() as connection:
        await _fill(connection)
        for statement in (statements.claimed(POOL, POOL.routes[0]), end, statements.handed_on(POOL)):
            steps = await _steps_with(connection, statement, values)
            reading = [step for step in steps if "pk_jobs" not in step and "ModifyTable" not in step]
            assert reading and all("ix_jobs_turns" in step for step in reading), steps
    await database.close()


async def test_a_look_at_what_is_due_walks_indexes(database: Database) -> None:
    async with database.write() as connection:
        await _fill(connection)
        steps = await _steps(connection, due.LOOK)
    assert len(steps) == 3, steps  # jobs that may go out, lapsed leases, start deadlines
    assert all("ix_jobs_" in step for step in steps), steps
    assert any("ix_jobs_start_by" in step for step in steps), steps


async def test_a_scrape_walks_indexes_of_waiting_jobs(database: Database) -> None:
    async with database.write() as connection:
        await _fill(connection)
        steps = await _steps(connection, levels.queued([POOL.routes[0], ("tiny", "long")]))
    assert steps and all(any(index in step for index in OF_WAITING) for step in steps), steps


def _position() -> Select[Any]:
    job = make_job(turn=5.0)
    queued = jobs.c.status == literal_column("'queued'")
    same = (jobs.c.model == job.model) & (jobs.c.lane == job.lane) & queued
    return select(func.count()).where(same & turns.ahead_of(job))


async def _fill(connection: AsyncConnection) -> None:
    for status in ("completed", "queued"):
        row = job_values(make_job()) | {"status": status}
        rows = [
            row | {"id": f"{status}-{number}", "turn": float(number), "submitted_at": float(number)}
            for number in range(ROWS)
        ]
        await connection.execute(insert(jobs), rows)
    await connection.exec_driver_sql("ANALYZE")


async def _steps(connection: AsyncConnection, statement: ClauseElement) -> list[str]:
    """Return the steps that read or sort waiting jobs, each with the index that it uses."""
    dialect = connection.dialect
    sql = str(statement.params(most=4).compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    if dialect.name == "sqlite":
        rows = (await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")).all()
        return [row.detail for row in rows if " jobs " in f"{row.detail} "]
    return _read((await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}")).scalar_one())


async def _steps_with(
    connection: AsyncConnection, statement: Select[Any], values: dict[str, Any]
) -> list[str]:
    """Do so on PostgreSQL for a statement whose values cannot be written into its text."""
    compiled = statement.compile(dialect=connection.dialect)
    assert isinstance(compiled, SQLCompiler)
    named = compiled.construct_params(values)
    driver = (await connection.get_raw_connection()).driver_connection
    ordered = [named[name] for name in compiled.positiontup or ()]
    return _read(await driver.fetchval(f"EXPLAIN (FORMAT JSON) {compiled.string}", *ordered))  # type: ignore[union-attr]


def _read(plan: Any) -> list[str]:
    whole = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    return [str(node) for node in _nodes(whole) if node.get("Relation Name") == "jobs"]


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    children = node.pop("Plans", [])
    fed = [child for child in children if child.get("Parent Relationship") != "InitPlan"]
    if any(child.get("Relation Name") == "jobs" for child in fed):
        assert "Sort" not in node["Node Type"], (node, children)
    yield node
    for child in children:
        yield from _nodes(child)
