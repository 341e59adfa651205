"""Results against a real S3 server: once, complete, and refused at once where waiting cannot help."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

import pytest

from eventing.contract.catalog import load_catalog
from eventing.contract.errors import StorageError
from eventing.contract.models import Manifest, attempt_prefix
from eventing.contract.s3 import Bucket, S3Location
from predictor.generation import results as outcome
from predictor.generation.attempt import Job, make_job
from predictor.generation.monitor import Watch
from predictor.generation.result_store import Results
from predictor.generation.results import Files
from tests.unit.predictor.fakes import FakePipeline, loaded


@pytest.fixture
def job() -> Job:
    fields = {"prompt": "a cat", "seed": 1, "job_id": secrets.token_hex(8), "attempt": 3}
    return make_job(load_catalog().get("tiny"), fields)


def manifest(job: Job, files: Files, results: Results, watch: Watch) -> Manifest:
    stored = outcome.store(files, results, watch)
    model = loaded(load_catalog().get("tiny"), FakePipeline())
    return outcome.manifest(model, job, stored, results.manifest_uri(), watch.timings(0))


def rendered(folder: Path, text: str) -> Files:
    """The files of one run, unlike those of any other."""
    folder.mkdir()
    files = Files(folder / "video.mp4", folder / "poster.jpg", folder / "spritesheet.jpg")
    for path in (files.video, files.poster, files.spritesheet):
        path.write_text(f"{path.name} {text}")
    return files


def test_two_runs_of_an_attempt_at_once_leave_the_files_of_the_first_to_end(
    bucket: Bucket, job: Job, tmp_path: Path
) -> None:
    watch = Watch("tiny", 60)
    one, two = Results(bucket, job.address), Results(bucket, job.address)
    assert one.find(watch) is None
    assert two.find(watch) is None
    first = manifest(job, rendered(tmp_path / "one", "one"), one, watch)
    assert one.complete(first, watch) == first.result
    second = manifest(job, rendered(tmp_path / "two", "two"), two, watch)
    assert second.result != first.result
    assert two.complete(second, watch) == first.result
    assert one.find(watch) == two.find(watch) == first.result
    kept = (first.result.video, first.result.poster, first.result.spritesheet)
    for file in kept:
        assert hashlib.sha256(bucket.get(bucket.key(file.uri)) or b"").hexdigest() == file.sha256
    wanted = {file.uri for file in kept} | {first.result.manifest_uri}
    assert {bucket.uri(key) for key in bucket.keys(attempt_prefix(job.address.job_id, 3))} == wanted


def test_a_run_that_does_not_know_its_own_manifest_keeps_its_files(
    bucket: Bucket, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 wrote it, the answer was lost, and the repetition is refused: it is there already."""
    results, watch = Results(bucket, job.address), Watch("tiny", 60)
    mine = manifest(job, rendered(tmp_path / "one", "one"), results, watch)
    put = bucket.put_once
    monkeypatch.setattr(bucket, "put_once", lambda *what: put(*what) and put(*what))
    assert results.complete(mine, watch) == mine.result
    assert bucket.get(bucket.key(mine.result.video.uri)) == b"video.mp4 one"


def test_a_bucket_that_is_not_there_is_not_waited_for(s3: S3Location, job: Job) -> None:
    results = Results(Bucket(S3Location("absent-bucket", s3.endpoint)), job.address)
    with pytest.raises(StorageError, match="absent-bucket"):
        results.find(Watch("tiny", 10**6))  # with patience for a week
