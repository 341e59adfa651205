"""An entry whose videos an engine makes, and workers that run its jobs in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from eventing.contract.catalog import HERE, CatalogEntry, Dialect, load_catalog
from eventing.contract.codecs.stream import CompletedRecord, FailedRecord
from eventing.contract.records.pictures import Picture
from eventing.contract.storage.s3 import Bucket
from predictor.device.worker import Worker
from predictor.fake_engine import FakeEngine
from predictor.generation.attempt import Attempt, make_attempt
from predictor.models.loading import open_model
from predictor.settings import PredictorSettings
from tests.unit.predictor.running import SOON, until

MODEL = "some/model"


def entry_file(folder: Path, url: str | None, dialect: Dialect = Dialect.sglang, **changes: Any) -> Path:
    """Write the entry of `tiny` as one of an engine; the folder is for REELZERO_CATALOG_DIR."""
    entry = yaml.safe_load((HERE / "tiny.yaml").read_text())
    engine = {"model": MODEL, "dialect": dialect.value} | ({"url": url} if url else {})
    tasks = {"text": "auto", "image": "auto"}
    entry |= {"family": "openai-video", "engine": engine, "tasks": tasks, "revision": "abc"} | changes
    (folder / "tiny.yaml").write_text(yaml.safe_dump(entry))
    return folder


def entry_of(folder: Path, engine: FakeEngine, **changes: Any) -> CatalogEntry:
    path = folder / "catalog"
    path.mkdir(exist_ok=True)
    load_catalog.cache_clear()
    return load_catalog(entry_file(path, engine.url, engine.habits.dialect, **changes)).get("tiny")


def settings(bucket: Bucket, folder: Path, **changes: Any) -> PredictorSettings:
    """Settings without a mark, which costs time."""
    place = {"s3_bucket": bucket.name, "s3_endpoint": bucket.location.endpoint, "scratch_dir": folder}
    return PredictorSettings.model_validate({"mark": "off"} | place | changes)


class Killed(SystemExit):
    """Ends the device thread where it is, as a kill does, without a word."""


@asynccontextmanager
async def working(
    entry: CatalogEntry, options: PredictorSettings, on_stage: Callable[[str], None] = lambda _stage: None
) -> AsyncIterator[Worker]:
    """A ready worker at an engine."""
    worker = Worker(entry, options, open_model, on_stage)
    worker.begin()
    await until(lambda: worker.ready)
    yield worker
    worker.drain()


def attempt(entry: CatalogEntry, job: str, number: int = 1, **fields: Any) -> Attempt:
    fixed = {"prompt": "a red circle", "seed": 7, "job_id": job, "attempt": number}
    return make_attempt(entry, fixed | fields)


def from_picture(first: Attempt, image: Picture) -> Attempt:
    """The same attempt as a dispatcher sends it, with a first frame that is in S3."""
    return first.model_copy(update={"spec": first.spec.model_copy(update={"image": image})})


async def completed(worker: Worker, job: Attempt) -> CompletedRecord:
    record = await ended(worker, job)
    assert isinstance(record, CompletedRecord), record
    return record


async def failed(worker: Worker, job: Attempt) -> FailedRecord:
    record = await ended(worker, job)
    assert isinstance(record, FailedRecord), record
    return record


async def ended(worker: Worker, job: Attempt) -> CompletedRecord | FailedRecord:
    async with asyncio.timeout(SOON):
        return await worker.take(job).result(heartbeat=SOON)
