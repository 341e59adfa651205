"""Results against a real S3 server: once, complete, and refused at once where waiting cannot help."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from eventing.catalog import load_catalog
from eventing.contract import Manifest
from eventing.errors import StorageError
from eventing.s3 import Bucket, S3Location
from predictor import outcome
from predictor.job import Job, make_job
from predictor.outcome import Files
from predictor.storage import Results
from predictor.watch import Watch
from tests.unit.predictor.fakes import FakePipeline, loaded


@pytest.fixture
def job() -> Job:
    fields = {"prompt": "a cat", "seed": 1, "job_id": secrets.token_hex(8), "attempt": 3}
    return make_job(load_catalog().get("tiny"), fields)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    files = Files(tmp_path / "video.mp4", tmp_path / "poster.jpg", tmp_path / "spritesheet.jpg")
    for path in (files.video, files.poster, files.spritesheet):
        path.write_bytes(path.name.encode())
    return files


def manifest(job: Job, files: Files, results: Results, watch: Watch) -> Manifest:
    stored = outcome.store(files, results, watch)
    model = loaded(load_catalog().get("tiny"), FakePipeline())
    return outcome.manifest(model, job, stored, results.manifest_uri(), watch.timings(0))


def test_the_first_manifest_of_an_attempt_is_the_answer_to_all(
    bucket: Bucket, job: Job, files: Files
) -> None:
    results, watch = Results(bucket, job.address), Watch("tiny", 60)
    assert results.find(watch) is None
    first = manifest(job, files, results, watch)
    assert results.complete(first, watch) == first.result
    second = manifest(job, files, results, watch)
    assert second.result != first.result
    assert results.complete(second, watch) == first.result
    assert results.find(watch) == first.result


def test_a_bucket_that_is_not_there_is_not_waited_for(s3: S3Location, job: Job) -> None:
    results = Results(Bucket(S3Location("absent-bucket", s3.endpoint)), job.address)
    with pytest.raises(StorageError, match="absent-bucket"):
        results.find(Watch("tiny", 10**6))  # with patience for a week
