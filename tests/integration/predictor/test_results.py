"""Results against a real S3 server: once, complete, and refused at once where waiting cannot help."""

from __future__ import annotations

import hashlib
import secrets
from fractions import Fraction
from pathlib import Path

import pytest

from eventing.contract.catalog import load_catalog
from eventing.contract.errors import StorageError
from eventing.contract.records.results import Manifest, attempt_prefix
from eventing.contract.storage.s3 import Bucket, S3Location
from predictor.generation import results
from predictor.generation.attempt import Attempt, make_attempt
from predictor.generation.monitor import Monitor
from predictor.generation.result_store import ResultStore
from predictor.generation.results import Files
from predictor.generation.video.mp4 import Measured
from tests.unit.predictor.fakes import FakePipeline, loaded

MEASURED = Measured(9, 64, 64, Fraction(8), 1.125)


@pytest.fixture
def attempt() -> Attempt:
    fields = {"prompt": "a cat", "seed": 1, "job_id": secrets.token_hex(8), "attempt": 3}
    return make_attempt(load_catalog().get("tiny"), fields)


def manifest(attempt: Attempt, files: Files, store: ResultStore, monitor: Monitor) -> Manifest:
    stored = results.upload(files, store, monitor)
    model = loaded(load_catalog().get("tiny"), FakePipeline())
    return results.manifest(model, attempt, stored, store.manifest_uri(), monitor.timings(0))


def rendered(folder: Path, text: str) -> Files:
    """The files of one run, unlike those of any other."""
    folder.mkdir()
    files = Files(folder / "video.mp4", folder / "poster.jpg", folder / "spritesheet.jpg", MEASURED)
    for path in (files.video, files.poster, files.spritesheet):
        path.write_text(f"{path.name} {text}")
    return files


def test_two_runs_of_an_attempt_at_once_leave_the_files_of_the_first_to_end(
    bucket: Bucket, attempt: Attempt, tmp_path: Path
) -> None:
    monitor = Monitor("tiny", 60)
    one, two = ResultStore(bucket, attempt.address), ResultStore(bucket, attempt.address)
    assert one.find(monitor) is None
    assert two.find(monitor) is None
    first = manifest(attempt, rendered(tmp_path / "one", "one"), one, monitor)
    assert one.complete(first, monitor) == first.result
    second = manifest(attempt, rendered(tmp_path / "two", "two"), two, monitor)
    assert second.result != first.result
    assert two.complete(second, monitor) == first.result
    assert one.find(monitor) == two.find(monitor) == first.result
    kept = (first.result.video, first.result.poster, first.result.spritesheet)
    for file in kept:
        assert hashlib.sha256(bucket.get(bucket.key(file.uri)) or b"").hexdigest() == file.sha256
    wanted = {file.uri for file in kept} | {first.result.manifest_uri}
    assert {bucket.uri(key) for key in bucket.keys(attempt_prefix(attempt.address.job_id, 3))} == wanted


def test_a_run_that_does_not_know_its_own_manifest_keeps_its_files(
    bucket: Bucket, attempt: Attempt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 wrote it, the answer was lost, and the repetition is refused: it is there already."""
    store, monitor = ResultStore(bucket, attempt.address), Monitor("tiny", 60)
    mine = manifest(attempt, rendered(tmp_path / "one", "one"), store, monitor)
    put = bucket.put_once
    monkeypatch.setattr(bucket, "put_once", lambda *what: put(*what) and put(*what))
    assert store.complete(mine, monitor) == mine.result
    assert bucket.get(bucket.key(mine.result.video.uri)) == b"video.mp4 one"


def test_a_bucket_that_is_not_there_is_not_waited_for(s3: S3Location, attempt: Attempt) -> None:
    store = ResultStore(Bucket(S3Location("absent-bucket", s3.endpoint)), attempt.address)
    with pytest.raises(StorageError, match="absent-bucket"):
        store.find(Monitor("tiny", 10**6))  # with patience for a week
