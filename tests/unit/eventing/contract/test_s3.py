"""Presigned URLs name the address that clients can reach; keys stay in their bucket."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from eventing.contract.errors import StorageError
from eventing.contract.storage.s3 import Bucket, Folder, S3Location


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.mark.parametrize(
    "public, host", [(None, "inside:9000"), ("https://videos.example.com", "videos.example.com")]
)
def test_presigned_urls_use_the_public_endpoint(public: str | None, host: str) -> None:
    bucket = Bucket(S3Location("b", "http://inside:9000", public))
    url = urlsplit(bucket.presign("jobs/1/video.mp4", 600, "one.mp4"))
    query = parse_qs(url.query)
    assert (url.netloc, url.path) == (host, "/b/jobs/1/video.mp4")
    assert query["X-Amz-Expires"] == ["600"] and "secret" not in url.query
    assert query["response-content-disposition"] == ['inline; filename="one.mp4"']


def test_a_uri_of_another_bucket_is_refused() -> None:
    bucket = Bucket(S3Location("b", "http://inside:9000"))
    assert bucket.key("s3://b/jobs/1/x") == "jobs/1/x"
    with pytest.raises(StorageError, match="not in bucket b"):
        bucket.key("s3://other/jobs/1/x")


def test_a_server_that_is_away_is_a_storage_error_with_its_cause() -> None:
    bucket = Bucket(S3Location("b", "http://127.0.0.1:1"))
    with pytest.raises(StorageError) as caught:
        bucket.get("x")
    assert caught.value.retryable and caught.value.__cause__ is not None


@pytest.mark.parametrize("prefix", ["", "/", "jobs", "jobs/", "jobs/one", "/jobs/", "jobs//", "//"])
def test_what_could_empty_the_bucket_is_no_folder(prefix: str) -> None:
    with pytest.raises(ValueError, match="is not a folder"):
        Folder(prefix)
    assert Folder("jobs/one/").prefix == "jobs/one/"
