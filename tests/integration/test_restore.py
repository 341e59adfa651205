"""The drill of docs/operate/backup.md on real parts: dump while jobs run, lose everything, restore."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from eventing.cli import app
from eventing.contract.records.results import job_prefix
from eventing.contract.records.steps import story_prefix
from eventing.contract.storage.s3 import Bucket, client
from eventing.orphans import Orphans
from eventing.settings import Endpoint
from eventing.testing import FakePredictor, Script
from tests.conftest import create_postgres_database
from tests.integration.conftest import MakeStack, Stack


def tool(name: str) -> str:
    """pg_dump or pg_restore, of the version of the server: from the pgserver wheel, else of the system."""
    try:
        import pgserver

        return str(Path(pgserver.__file__).parent / "pginstall" / "bin" / name)
    except ImportError:
        return shutil.which(name) or pytest.skip(f"needs {name}: install pgserver or postgresql-client")


def postgres_tool(name: str, url: str, *arguments: str) -> None:
    """Run a tool of PostgreSQL on a database, as the page shows it."""
    where = make_url(url)
    host = str(where.query.get("host") or where.host)
    env = os.environ | {"PGHOST": host, "PGUSER": where.username or "", "PGPASSWORD": where.password or ""}
    subprocess.run(
        [tool(name), *arguments, "--dbname", str(where.database)], env=env, check=True, timeout=300
    )


def copy_all(source: Bucket, target: Bucket) -> None:
    """Make the target as the source is, with the types of content, as `aws s3 sync --delete` does."""
    for key in set(target.keys("")) - set(source.keys("")):
        target.delete(key)
    s3 = client(target.location.endpoint, target.location.region)
    for key in source.keys(""):
        s3.copy_object(Bucket=target.name, Key=key, CopySource={"Bucket": source.name, "Key": key})


def extra_bucket(bucket: Bucket) -> Bucket:
    """A bucket of its own at the same S3."""
    one = Bucket(replace(bucket.location, bucket="drill-" + uuid4().hex[:10]))
    one.ensure()
    return one


@pytest.fixture
async def database_url(postgres: str) -> str:
    """The drill is one of PostgreSQL."""
    return await create_postgres_database(postgres)


@dataclass
class Site:
    """A service with a predictor for each of two lanes."""

    stack: Stack
    first: FakePredictor
    second: FakePredictor

    async def submit(self, lane: str, **body: Any) -> str:
        return await self.stack.submit(lane=lane, **body)

    async def until(self, job_id: str, status: str) -> dict[str, Any]:
        """The job once it has the status."""
        while True:
            job: dict[str, Any] = await (await self.stack.get(f"/v1/jobs/{job_id}")).json()
            if job["status"] == status:
                return job
            await asyncio.sleep(0.05)

    def asked_for(self, job_id: str) -> int:
        """How often predictors of this site were asked to make a job."""
        requests = self.first.requests + self.second.requests
        return sum(job_id in str(request["parameters"]) for request in requests)


@pytest.fixture
def site(make_stack: MakeStack, bucket: Bucket) -> Any:
    """A context manager for a site on a database and a bucket."""

    @asynccontextmanager
    async def make(videos: Bucket, url: str | None = None, **scripts: list[Script]) -> AsyncIterator[Site]:
        async with AsyncExitStack() as exits:
            first, second = [
                await exits.enter_async_context(FakePredictor(videos, scripts.get(lane, [])))
                for lane in ("first", "second")
            ]
            endpoints = tuple(
                Endpoint(model="tiny", lane=lane, url=one.url)
                for lane, one in (("first", first), ("second", second))
            )
            overrides = {"database_url": url} if url else {}
            stack = await exits.enter_async_context(
                make_stack(endpoints=endpoints, s3_bucket=videos.name, lease_seconds=2, **overrides)
            )
            yield Site(stack, first, second)

    return make


async def test_after_the_loss_of_everything_jobs_and_results_agree(
    site: Any, bucket: Bucket, postgres: str, database_url: str, tmp_path: Path
) -> None:
    videos, copy, dump = extra_bucket(bucket), extra_bucket(bucket), tmp_path / "reelzero.dump"
    gate, never = asyncio.Event(), asyncio.Event()
    async with site(videos, first=[Script(), Script(gate=gate)], second=[Script(gate=never)]) as before:
        done = await before.stack.ended(await before.submit("first"))
        adopted, lost = await before.submit("first"), await before.submit("second")
        await before.until(adopted, "in_progress")
        await before.until(lost, "in_progress")
        queued = await before.submit("first")
        postgres_tool("pg_dump", database_url, "--format=custom", "--file", str(dump))
        gate.set()  # what follows is newer than the dump
        assert (await before.stack.ended(adopted))["status"] == "completed"
        made = await before.stack.ended(queued)
        newer = await before.stack.ended(await before.submit("first"))
        copy_all(videos, copy)
    copy_all(extra_bucket(bucket), videos)
    assert videos.keys("") == []
    fresh = await create_postgres_database(postgres)
    postgres_tool("pg_restore", fresh, "--no-owner", "--exit-on-error", str(dump))
    copy_all(copy, videos)
    async with site(videos, fresh) as after:
        again = await after.until(done["id"], "completed")
        assert again["result"]["video"]["sha256"] == done["result"]["video"]["sha256"]
        video = videos.get(videos.key(again["result"]["video"]["uri"]))
        assert video and hashlib.sha256(video).hexdigest() == again["result"]["video"]["sha256"]
        assert (await after.until(adopted, "completed"))["result"]["attempt"] == 1
        assert after.asked_for(adopted) == 0, "its result in the bucket is newer than the dump"
        remade = await after.until(queued, "completed")
        assert remade["result"]["video"]["uri"] == made["result"]["video"]["uri"], "made after the dump"
        await after.until(lost, "completed")
        assert after.asked_for(lost) == 1, "what was in flight runs again once"
        assert (await after.stack.get(f"/v1/jobs/{newer['id']}")).status == 404
        container = after.stack.service.container
        sweep = Orphans(container.bucket, container.job_store, container.stories.store)
        videos.put(f"{story_prefix('story_newer')}inputs/one", b"1", "text/plain")
        lost_folders = [job_prefix(newer["id"]), story_prefix("story_newer")]
        assert await sweep.find(timedelta(hours=1)) == [], "young files may be of a submission"
        assert await sweep.find(timedelta(0)) == lost_folders
        env = {
            "REELZERO_DATABASE_URL": fresh,
            "REELZERO_S3_BUCKET": videos.name,
            "REELZERO_S3_ENDPOINT": videos.location.endpoint,
        }
        command = ["jobs", "orphans", "--hours", "0", "--delete"]
        swept = await asyncio.to_thread(CliRunner().invoke, app, command, env=env)
        assert swept.exit_code == 0 and swept.stdout.split() == lost_folders, swept.output
        assert videos.keys(job_prefix(newer["id"])) == []
        assert videos.keys(job_prefix(done["id"]))
