"""One replica's stories without a service: real database and bucket, and workers that the test is itself."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eventing.container import Container, build_container
from eventing.contract.codecs.validation import validated
from eventing.contract.env import read
from eventing.contract.records.models import Failure
from eventing.contract.records.results import StoredFile
from eventing.contract.records.steps import StepResult, StepSpec, step_attempt_prefix, step_manifest_key
from eventing.contract.storage.s3 import Bucket
from eventing.contract.stories.document import StoryRequest
from eventing.domain.job import Job
from eventing.domain.pool import Pool
from eventing.domain.story import Story
from eventing.drafts import Origin
from eventing.settings import Endpoint, Settings, StepEndpoint
from eventing.store.schema import migrate
from eventing.stories.stories import Stories
from eventing.testing import fake_result

KINDS = ("narrate", "title", "still", "fit", "film")
POOLS = (
    Pool("tiny/default", 50, (("tiny", "default"),)),
    Pool("ltx-video/default", 50, (("ltx-video", "default"),)),
    Pool("steps:all", 50, tuple((kind, "default") for kind in KINDS)),
)
ANN = Origin("ann", "rest")


@dataclass
class World:
    """A replica and its workers. `leave_out` are outputs that steps do not write; `broken` are steps."""

    container: Container
    leave_out: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    worked: list[str] = field(default_factory=list)  # steps, in the order in which workers took them

    @property
    def stories(self) -> Stories:
        """The use cases."""
        return self.container.stories

    async def submit(self, document: Mapping[str, Any], origin: Origin = ANN, **more: Any) -> Story:
        """A new story of this request."""
        story, _ = await self.stories.submit(validated(StoryRequest, document), origin, **more)
        return story

    async def move(self) -> None:
        """Look at every story that is due."""
        for story_id in await self.stories.store.due():
            await self.stories.loop.look(story_id)

    async def claim(self) -> list[Job]:
        """Take all jobs that wait."""
        return [job for pool in POOLS for job in await self.container.claims.claim(pool, 50)]

    async def work(self) -> bool:
        """Move the stories, and do all jobs that wait. Return whether there were any."""
        await self.move()
        jobs = await self.claim()
        for job in jobs:
            await self.do(job)
        return bool(jobs)

    async def do(self, job: Job) -> None:
        """Do a job that is claimed."""
        claims = self.container.claims
        job = await claims.start(job)
        self.worked.append(job.step or "")
        if job.step in self.broken:
            await claims.fail(job, Failure(code="step_failed", message="it is broken"))
        else:
            await claims.complete(job, await asyncio.to_thread(self._made, job))

    async def ended(self, story: Story) -> Story:
        """The story after all work that there is."""
        while await self.work():
            pass
        await self.move()
        return await self.stories.get(story.public_id, story.owner)

    def body(self, file: StoredFile) -> bytes:
        """The bytes of a file of a story."""
        body = self.container.bucket.get(self.container.bucket.key(file.uri))
        assert body is not None and hashlib.sha256(body).hexdigest() == file.sha256, file.uri
        return body

    def _made(self, job: Job) -> Any:
        bucket = self.container.bucket
        if not isinstance(job.spec, StepSpec):
            result = fake_result(job.video, job.id, job.attempt, bucket)
            for file in (result.video, result.poster, result.spritesheet):
                name = file.uri.rpartition("/")[2]
                body = f"{name} of {job.id}, attempt {job.attempt}".encode()
                bucket.put(bucket.key(file.uri), body, file.content_type)
            return result
        place = (job.story_id or "", job.step or "", job.id, job.attempt)
        rules = self.container.step_types[job.model].outputs
        outputs = {
            name: self._put(step_attempt_prefix(*place) + name, f"{name} of {job.spec}", rule.media)
            for name, rule in rules.items()
            if name not in self.leave_out
        }
        uri = bucket.uri(step_manifest_key(*place))
        return StepResult(
            job_id=job.id, attempt=job.attempt, step=job.model, version=1, outputs=outputs,
            seconds={"run": 1.0}, manifest_uri=uri,
        )  # fmt: skip

    def _put(self, key: str, text: str, media: str) -> StoredFile:
        body, bucket = text.encode(), self.container.bucket
        bucket.put(key, body, media)
        digest = hashlib.sha256(body).hexdigest()
        return StoredFile(uri=bucket.uri(key), sha256=digest, bytes=len(body), content_type=media)


async def make_world(database_url: str, bucket: Bucket, **settings: Any) -> World:
    """A replica over an empty database. Close its database afterwards."""
    values: dict[str, Any] = {
        "database_url": database_url,
        "s3_endpoint": bucket.location.endpoint,
        "s3_bucket": bucket.name,
        "endpoints": (Endpoint(model="tiny"), Endpoint(model="ltx-video")),
        "step_endpoints": (StepEndpoint(name="all", types=KINDS, url="http://steps"),),
        "gpu_hour_price": 3600.0,
        "sink_url": "http://sink",
        **settings,
    }
    container = build_container(read(Settings, **values))
    await migrate(container.database)
    await container.claims.prepare(POOLS)
    return World(container)
