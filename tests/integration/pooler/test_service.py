"""A service behind pgbouncer in transaction mode: jobs from submission to delivery; what a pooler changes."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from eventing.contract.errors import Unavailable
from eventing.store.database.engine import Database
from tests.integration.conftest import MakeStack
from tests.support.waiting import eventually


async def test_jobs_go_from_submission_to_delivery(make_stack: MakeStack) -> None:
    async with make_stack() as stack:
        ids = await asyncio.gather(*(stack.submit(seed=seed) for seed in range(20)))
        jobs = await asyncio.gather(*(stack.ended(job_id) for job_id in ids))
        assert {job["status"] for job in jobs} == {"completed"}

        def delivered() -> bool:
            ends = [each.event for each in stack.receiver.got if "completed" in each.event["type"]]
            return set(ids) <= {event["subject"] for event in ends}

        await eventually(delivered)
        assert (await stack.get("/readyz")).status == 200


async def test_a_client_that_stalls_loses_its_transaction(database_url: str) -> None:
    database = Database(database_url)
    async with database.read() as connection:
        limit = await connection.scalar(text("SHOW idle_in_transaction_session_timeout"))
    assert limit == "10s"
    await database.close()


async def test_a_url_without_the_parameter_says_what_to_add(database_url: str) -> None:
    database = Database(database_url.replace("&statement_cache_size=0", ""))

    async def work(number: int) -> None:
        for _ in range(20):
            async with database.read() as connection:
                await connection.execute(text(f"SELECT {number}, pg_sleep(0.01)"))

    with pytest.raises(Unavailable, match="add \\?statement_cache_size=0"):
        await asyncio.gather(*(work(number) for number in range(10)))
    await database.close()
