"""Read and write S3 for both services: one client, `s3://` URIs, presigned URLs, writes at most once.

Credentials come from the standard AWS chain (AWS_ACCESS_KEY_ID, a web identity, a profile). Only what
S3-compatible servers need beyond it has a REELZERO_S3_… setting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.handlers import add_expect_header

from eventing.contract.errors import StorageError
from eventing.contract.storage.s3_measured import measure

T = TypeVar("T")


@dataclass(frozen=True)
class S3Location:
    """A bucket and how to reach it. Presigned URLs lead to `public_endpoint`, if it is set."""

    bucket: str
    endpoint: str | None = None
    public_endpoint: str | None = None
    region: str = "us-east-1"


@dataclass(frozen=True)
class Folder:
    """A prefix that may be deleted. It has at least two names, so it is never the bucket or all jobs."""

    prefix: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"([^/]+/){2,}", self.prefix):
            raise ValueError(f"{self.prefix!r} is not a folder such as jobs/ID/")


@lru_cache(maxsize=8)
def client(endpoint: str | None, region: str) -> Any:
    """Make a thread-safe boto3 client with few, short retries. Callers do the long ones themselves."""
    config = Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"total_max_attempts": 4, "mode": "standard"},
        signature_version="s3v4",
        s3={"addressing_style": "path" if endpoint else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    s3 = boto3.session.Session().client("s3", endpoint_url=endpoint, region_name=region, config=config)
    # No `Expect: 100-continue`: botocore never stops reading when a connection ends inside that answer.
    s3.meta.events.unregister("before-call.s3", add_expect_header)
    measure(s3)
    return s3


def safe_name(name: str) -> str:
    """Return a file name that needs no quoting in a header, in a shell or on a disk."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "file"


def disposition(filename: str, *, attachment: bool) -> str:
    """Return the Content-Disposition of a file that a browser shows, or saves if it is an attachment."""
    return f'{"attachment" if attachment else "inline"}; filename="{safe_name(filename)}"'


class Bucket:
    """One bucket. Every call blocks, so asyncio runs it in a thread, and raises StorageError."""

    def __init__(self, location: S3Location) -> None:
        self.location = location
        self._client = client(location.endpoint, location.region)

    @property
    def name(self) -> str:
        """Return the bucket's name."""
        return self.location.bucket

    def address(self) -> str:
        """Return the URL of the bucket on the endpoint that this process uses, with a slash at its end."""
        params = {"Bucket": self.name, "Key": "key"}
        url: str = self._client.generate_presigned_url("get_object", Params=params)
        # On AWS botocore presigns for all regions at once, and sends its own requests to the region.
        region = urlsplit(self._client.meta.endpoint_url).netloc
        url = re.sub(r"^(https://([^/]+\.)?)s3\.amazonaws\.com/", rf"\g<1>{region}/", url)
        return url.partition("?")[0].removesuffix("key")

    def uri(self, key: str) -> str:
        """Return the s3:// URI of a key."""
        return f"s3://{self.name}/{key}"

    def key(self, uri: str) -> str:
        """Return the key in a URI of this bucket."""
        prefix = self.uri("")
        if not uri.startswith(prefix):
            raise StorageError(f"{uri} is not in bucket {self.name}")
        return uri[len(prefix) :]

    def put(self, key: str, body: bytes, content_type: str) -> None:
        """Write an object, or replace it."""
        self._call("put_object", Key=key, Body=body, ContentType=content_type)

    def put_once(self, key: str, body: bytes, content_type: str) -> bool:
        """Write an object and return True; False if the key exists already (`If-None-Match: *`)."""
        try:
            self._client.put_object(
                Bucket=self.name, Key=key, Body=body, ContentType=content_type, IfNoneMatch="*"
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412):
                return False
            raise self._failure("put_object", key, error) from error
        except BotoCoreError as error:
            raise self._failure("put_object", key, error) from error
        return True

    def upload(self, key: str, path: str, content_type: str) -> None:
        """Upload a file, in parts when it is large."""
        try:
            self._client.upload_file(path, self.name, key, ExtraArgs={"ContentType": content_type})
        except (BotoCoreError, ClientError, boto3.exceptions.Boto3Error, OSError) as error:
            raise self._failure("upload_file", key, error) from error

    def get(self, key: str) -> bytes | None:
        """Return an object's bytes; None if there is no object."""
        return self._existing("get_object", key, lambda answer: bytes(answer["Body"].read()))

    def head(self, key: str) -> tuple[int, str] | None:
        """Return an object's size in bytes and its content type; None if there is no object."""

        def size_and_type(answer: Any) -> tuple[int, str]:
            return int(answer["ContentLength"]), str(answer.get("ContentType", ""))

        return self._existing("head_object", key, size_and_type)

    def copy(self, source: str, target: str) -> bool:
        """Copy an object by the server, with its content type; False if there is no source."""
        where = {"Bucket": self.name, "Key": source}
        return self._existing("copy_object", target, lambda _: True, CopySource=where) or False

    def open(self, key: str, first: int, last: int) -> Any:
        """Return a readable stream of the bytes first..last, both included; None if there is no object."""
        return self._existing("get_object", key, lambda answer: answer["Body"], Range=f"bytes={first}-{last}")

    def keys(self, prefix: str) -> list[str]:
        """List all keys under a prefix."""
        return [item["Key"] for item in self._objects(prefix)]

    def newest(self, prefix: str) -> dict[str, datetime]:
        """Return the folders right below a prefix, and when the newest object of each was written."""
        folders: dict[str, datetime] = {}
        for item in self._objects(prefix):
            name, _, rest = str(item["Key"]).removeprefix(prefix).partition("/")
            if rest:
                folders[name] = max(item["LastModified"], folders.get(name, item["LastModified"]))
        return folders

    def delete(self, key: str) -> None:
        """Delete one object; a missing one is no error."""
        self._call("delete_object", Key=key)

    def delete_folder(self, folder: Folder) -> int:
        """Delete every object of a folder and return their number."""
        keys = self.keys(folder.prefix)
        for start in range(0, len(keys), 1000):
            batch = [{"Key": key} for key in keys[start : start + 1000]]
            self._call("delete_objects", Delete={"Objects": batch, "Quiet": True})
        return len(keys)

    def presign(
        self, key: str, seconds: int, filename: str | None = None, *, attachment: bool = False
    ) -> str:
        """Return a GET URL on the public endpoint that is valid for `seconds`.

        A browser shows the file, or saves it as `filename` if it is an attachment.
        """
        params = {"Bucket": self.name, "Key": key}
        if filename:
            params["ResponseContentDisposition"] = disposition(filename, attachment=attachment)
        public = client(self.location.public_endpoint or self.location.endpoint, self.location.region)
        url: str = public.generate_presigned_url("get_object", Params=params, ExpiresIn=seconds)
        return url

    def signed_get(self, key: str, seconds: int) -> str:
        """Return a GET URL on the endpoint that this process uses, valid for `seconds`."""
        params = {"Bucket": self.name, "Key": key}
        url: str = self._client.generate_presigned_url("get_object", Params=params, ExpiresIn=seconds)
        return url

    def signed_put(
        self, key: str, content_type: str, seconds: int, *, once: bool = False
    ) -> tuple[str, dict[str, str]]:
        """Return a PUT URL on the endpoint that this process uses, and the headers that go with it.

        With `once` an object that exists is not replaced: the answer is 412.
        """
        params = {"Bucket": self.name, "Key": key, "ContentType": content_type}
        headers = {"content-type": content_type}
        if once:
            params, headers = params | {"IfNoneMatch": "*"}, headers | {"if-none-match": "*"}
        url: str = self._client.generate_presigned_url("put_object", Params=params, ExpiresIn=seconds)
        return url, headers

    def ensure(self) -> None:
        """Create the bucket if it does not exist."""
        try:
            self._client.head_bucket(Bucket=self.name)
        except ClientError:
            self._call("create_bucket")
        except BotoCoreError as error:
            raise self._failure("head_bucket", "", error) from error

    def _objects(self, prefix: str) -> Iterator[dict[str, Any]]:
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
            for page in pages:
                yield from page.get("Contents", [])
        except (BotoCoreError, ClientError) as error:
            raise self._failure("list_objects_v2", prefix, error) from error

    def _existing(self, operation: str, key: str, take: Callable[[Any], T], **arguments: Any) -> T | None:
        """Return what `take` reads from the answer about an object; None if there is no object."""
        try:
            return take(getattr(self._client, operation)(Bucket=self.name, Key=key, **arguments))
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404", "NotFound"):
                return None
            raise self._failure(operation, key, error) from error
        except BotoCoreError as error:
            raise self._failure(operation, key, error) from error

    def _call(self, operation: str, **arguments: Any) -> Any:
        try:
            return getattr(self._client, operation)(Bucket=self.name, **arguments)
        except (BotoCoreError, ClientError) as error:
            raise self._failure(operation, str(arguments.get("Key", "")), error) from error

    def _failure(self, operation: str, key: str, error: Exception) -> StorageError:
        return StorageError(f"S3 {operation} on {self.uri(key)} failed: {error}")
