"""The query by which KEDA counts pods, as the chart writes it, over real jobs, by a role that only reads."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from config.render import render
from eventing.contract.records.models import Failure
from eventing.domain.pool import Pool
from eventing.store.database.engine import Database
from eventing.store.lanes import circuit_breaker
from eventing.store.schema import migrate
from tests.support.builders import POOL, Stores, claim, stores, submission

WIDE = Pool("p", 4, POOL.routes)
CAUSE = Failure(code="unavailable", message="no pod was ready", retryable=True)
VALUES: dict[str, Any] = {
    "database": {"secretName": "db"},
    "s3": {"secretName": "s3"},
    "models": [{"name": "tiny", "scaler": "keda", "gpus": 0, "storage": {"path": "/models"}}],
    "keda": {"databaseSecretName": "reader"},
}


def query() -> str:
    (scaled,) = [body for body in render(VALUES) if body["kind"] == "ScaledObject"]
    return str(scaled["spec"]["triggers"][0]["metadata"]["query"])


async def wanted(database: Database, role: str) -> int:
    """How many pods KEDA would start."""
    async with database.write() as connection:
        await connection.execute(text(f"SET LOCAL ROLE {role}"))
        return int((await connection.execute(text(query()))).scalar_one())


async def reader(connection: AsyncConnection, name: str) -> str:
    """A role with what docs/install/keda.md grants."""
    await connection.execute(text(f"CREATE ROLE {name}"))
    await connection.execute(text(f"GRANT SELECT ON jobs, model_state TO {name}"))
    return name


async def paused(store: Stores) -> None:
    """Open the circuit of the model, as three pods that do not start do."""
    held = await claim(store, WIDE)
    for _ in range(circuit_breaker.OPEN_AFTER):
        await store.claims.start_failed(held, "no pod was ready", 3600.0)
    await store.claims.put_back(held, CAUSE, 0.0)


async def test_every_job_that_has_not_ended_wants_a_pod(postgres_url: str) -> None:
    database = Database(postgres_url)
    await migrate(database)
    store = stores(database)
    await store.claims.prepare((WIDE,))
    async with database.write() as connection:
        role = await reader(connection, f"reader_{database.url.database}")
    assert await wanted(database, role) == 0
    routes = [*[("tiny", "default")] * 3, ("tiny", "other"), ("wan2.1-t2v-1.3b", "default")]
    for model, lane in routes:
        await store.jobs.submit(submission(model=model, lane=lane))
    assert await wanted(database, role) == 3, "waiting jobs of this model and lane"
    held = await claim(store, WIDE)
    assert await wanted(database, role) == 3, "one waits for its pod, two in the queue"
    await store.claims.start(held)
    assert await wanted(database, role) == 3, "one runs: its pod stays"
    await store.claims.fail(held, CAUSE)
    assert await wanted(database, role) == 2
    await paused(store)
    assert await wanted(database, role) == 0, "a model that does not start wants a pod for its probe only"
    async with database.write() as connection:
        await connection.execute(text("UPDATE model_state SET next_probe_at = 0"))
    await claim(store, WIDE)
    assert await wanted(database, role) == 1
    await database.close()
