"""Secrets change while the service runs: the steps of docs/operate/keys.md, each tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from eventing.contract.env import read
from eventing.settings import Settings
from eventing.store.database.engine import Database
from eventing.store.schema import migrate
from tests.integration.conftest import MakeStack
from tests.support.builders import stores, submission

ROLES = (
    "CREATE ROLE {0}_a LOGIN PASSWORD 'first' IN ROLE {0}",
    "ALTER ROLE {0}_a SET role = {0}",
    "CREATE ROLE {0}_b LOGIN PASSWORD 'second' IN ROLE {0}",
    "ALTER ROLE {0}_b SET role = {0}",
)


@pytest.fixture
async def database_url(tmp_path: Path) -> str:
    """Keys are the same on both databases."""
    return f"sqlite+aiosqlite:///{tmp_path}/jobs.db"


async def run(url: str, *statements: str) -> list[Any]:
    """Run statements as the database's administrator; the rows of the last one."""
    database = Database(url)
    try:
        async with database.write() as connection:
            results = [await connection.execute(text(one)) for one in statements]
            return list(results[-1].scalars()) if results[-1].returns_rows else []
    finally:
        await database.close()


async def test_two_logins_of_one_owner_take_turns_with_their_passwords(postgres_url: str) -> None:
    """Tables belong to a role that cannot log in, so a login may be made and removed at any time."""
    owner = make_url(postgres_url).database
    database = f'GRANT CREATE, CONNECT ON DATABASE "{owner}" TO {owner}'
    steps = [one.format(owner) for one in ROLES]
    schema = f"GRANT ALL ON SCHEMA public TO {owner}"
    await run(postgres_url, f"CREATE ROLE {owner} NOLOGIN", database, schema, *steps)
    urls = [make_url(postgres_url).set(username=f"{owner}_{one}", password="x") for one in "ab"]
    old, new = (Database(url.render_as_string(hide_password=False)) for url in urls)
    try:
        await migrate(old)
        await stores(old).jobs.submit(submission(id="job-1"))
        await migrate(new)
        await stores(new).jobs.submit(submission(id="job-2"))
        assert await stores(old).jobs.known(("job-1", "job-2")) == {"job-1", "job-2"}
    finally:
        await old.close()
        await new.close()
    owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
    assert await run(postgres_url, f"DROP ROLE {owner}_a", owners) == [owner]


async def test_a_new_key_works_beside_the_old_one_until_that_is_revoked(make_stack: MakeStack) -> None:
    async with make_stack(auth="required") as stack:
        keys = stack.service.container.keys
        old, new = [await keys.create("ann") for _ in range(2)]

        def bearer(key: str) -> dict[str, str]:
            return {"Authorization": f"Bearer {key}"}

        answer = await stack.post("/v1/jobs", json={"prompt": "a circle"}, headers=bearer(old))
        path = f"/v1/jobs/{(await answer.json())['id']}"
        statuses = [(await stack.get(path, headers=bearer(key))).status for key in (old, new)]
        assert statuses == [200, 200], "both see the owner's jobs"
        (first, _) = sorted(await keys.keys(), key=lambda key: key.created_at)
        await keys.revoke(first.id)
        assert [(await stack.get(path, headers=bearer(key))).status for key in (old, new)] == [401, 200]


def test_the_order_of_two_webhook_secrets_is_kept() -> None:
    """OpenRouter's own header has room for one signature: the first secret's."""
    settings = read(Settings, webhook_secrets="whsec_bmV3, whsec_b2xk")
    assert settings.webhook_secrets == ("whsec_bmV3", "whsec_b2xk")
