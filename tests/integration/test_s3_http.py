"""Objects written and read without a thread: by the server's own judgement of the signature."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from eventing.contract.errors import StorageError
from eventing.contract.storage.s3 import Bucket, S3Location
from eventing.contract.storage.s3_http import Digest, ObjectClient

BODY = b'{"a": 1}' * 100
SUM = hashlib.sha256(BODY).hexdigest()


class NoThreads(Bucket):
    """A bucket that boto3 may not be used for."""

    def _call(self, operation: str, **_: object) -> None:
        raise StorageError(f"boto3 is used for {operation}")

    def _existing(self, operation: str, *_: object, **__: object) -> None:
        raise StorageError(f"boto3 is used for {operation}")


@pytest.fixture
async def objects(bucket: Bucket) -> AsyncIterator[ObjectClient]:
    client = ObjectClient(NoThreads(bucket.location))
    yield client
    await client.close()


@pytest.mark.parametrize("key", ["jobs/1/event.json", "jobs/ä ~+%25&=?#/'(x)*.json"])
async def test_an_object_is_written_and_read_without_boto3(
    objects: ObjectClient, bucket: Bucket, key: str
) -> None:
    await objects.put(key, BODY, "application/json")
    assert await asyncio.to_thread(bucket.get, key) == BODY == await objects.get(key)
    assert await asyncio.to_thread(bucket.head, key) == (len(BODY), "application/json")
    assert await objects.digest(key, len(BODY)) == Digest(len(BODY), "application/json", SUM)


async def test_an_object_of_another_size_is_not_read(objects: ObjectClient) -> None:
    await objects.put("sized", BODY, "video/mp4")
    assert await objects.digest("sized", 3) == Digest(len(BODY), "video/mp4", "")
    assert await objects.digest("sized", len(BODY)) == Digest(len(BODY), "video/mp4", SUM)


async def test_a_missing_object_is_none_and_no_failure(bucket: Bucket, objects: ObjectClient) -> None:
    client = ObjectClient(bucket)
    assert await client.get("missing") is None
    assert await client.digest("missing", 1) is None
    assert client._pause_until == 0
    await client.close()


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Location]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    yield S3Location("b", "http://127.0.0.1:1")


async def test_what_fails_goes_to_boto3_and_so_do_the_next_calls(away: S3Location) -> None:
    calls: list[str] = []

    class Threads(Bucket):
        def put(self, key: str, body: bytes, content_type: str) -> None:
            calls.append(f"put {key} {content_type} {len(body)}")

        def get(self, key: str) -> bytes | None:
            raise StorageError(f"no {key}")

    client = ObjectClient(Threads(away))
    await client.put("k", BODY, "text/plain")
    session = client._session
    await client.put("l", BODY, "text/plain")
    with pytest.raises(StorageError, match="no m"):
        await client.get("m")
    assert calls == ["put k text/plain 800", "put l text/plain 800"]
    assert client._session is session
    await client.close()


async def test_without_credentials_boto3_gives_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    client = ObjectClient(NoThreads(S3Location("b", "http://127.0.0.1:1")))
    with pytest.raises(StorageError, match="boto3 is used"):
        await client.put("k", BODY, "text/plain")
    await client.close()


async def test_a_password_in_netrc_changes_nothing(
    objects: ObjectClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login anonymous password user@example.com\n")
    monkeypatch.setenv("NETRC", str(netrc))
    await objects.put("with-netrc", BODY, "text/plain")
    assert await objects.get("with-netrc") == BODY


async def test_small_objects_take_the_proxy_of_boto3(
    monkeypatch: pytest.MonkeyPatch, away: S3Location
) -> None:
    lines: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        lines.append(f"{request.method} {request.raw_path} {request.headers.get('Proxy-Authorization')}")
        return web.Response(body=BODY)

    async with RawTestServer(answer) as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "")
        client = ObjectClient(NoThreads(S3Location("videos", "http://s3.invalid:9000")))
        assert await client.get("k") == BODY
        await client.close()
    assert lines == ["GET http://s3.invalid:9000/videos/k Basic bWU6c2VjcmV0"]


async def test_credentials_that_cannot_be_renewed_are_a_storage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: web.BaseRequest) -> web.Response:
        code = "<Error><Code>AccessDenied</Code><Message>not this role</Message></Error>"
        return web.Response(
            status=403, text=f"<ErrorResponse>{code}</ErrorResponse>", content_type="text/xml"
        )

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "token").write_text("a token")
    async with RawTestServer(refuse) as tokens:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{tokens.port}")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/reelzero")
        # No other test has this address: boto3 keeps the client of an address, with its credentials.
        client = ObjectClient(Bucket(S3Location("videos", "http://127.0.0.1:1/roles")))
        with pytest.raises(StorageError, match="not this role"):
            await client.put("k", BODY, "text/plain")
        await client.close()


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "cn-north-1"])
@pytest.mark.parametrize("name", ["videos", "my.videos"])
async def test_the_address_on_aws_is_that_of_boto3(
    name: str, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    bucket = Bucket(S3Location(name, region=region))

    def stop(request: Any, **_: object) -> None:
        raise StorageError(request.url)

    events = bucket._client.meta.events
    events.register("before-send.s3.GetObject", stop)
    try:
        with pytest.raises(StorageError) as seen:
            bucket.get("k")
    finally:
        events.unregister("before-send.s3.GetObject", stop)
    assert f"{bucket.address()}k" == seen.value.message
