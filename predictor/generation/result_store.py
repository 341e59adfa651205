"""Keep results in S3: the files first, then the manifest, once. Wait while S3 is away.

An attempt is complete when its manifest exists. A request for the same attempt is answered from it, and an
attempt without a manifest has produced nothing.

Two predictors may run the same attempt at once. Each run uploads below a prefix of its own, and the manifest
names the files of the result. The run that ends second deletes its own files and returns the other's result.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from eventing.contract.codecs.stream import Address
from eventing.contract.errors import ReelzeroError, StorageError
from eventing.contract.records.results import Manifest, StoredFile, VideoResult, attempt_prefix, manifest_key
from eventing.contract.storage.checksums import sha256_of
from eventing.contract.storage.s3 import Bucket, Folder
from predictor.generation.monitor import Monitor

LOOKUP_PATIENCE = 20.0  # seconds; a lookup that fails costs at most a generation that was already done
FIRST_DELAY, LONGEST_DELAY = 0.5, 15.0  # seconds between two calls
POLL = 0.1  # seconds between two looks at a cancel while a call to S3 blocks
T = TypeVar("T")
log = logging.getLogger(__name__)


class ResultStore:
    """The result of one attempt in one bucket, as one run of it writes it."""

    def __init__(self, bucket: Bucket, address: Address) -> None:
        self._bucket = bucket
        self._files = f"{attempt_prefix(address.job_id, address.attempt)}{secrets.token_hex(6)}/"
        self._manifest_key = manifest_key(address.job_id, address.attempt)

    def find(self, monitor: Monitor) -> VideoResult | None:
        """Return the result that this attempt already has, or None. Raises StorageError."""
        body = patiently(self._read, monitor, LOOKUP_PATIENCE)
        return None if body is None else self._parse(body)

    def upload(self, path: Path, content_type: str, monitor: Monitor) -> StoredFile:
        """Upload one file. Raises StorageError when the attempt's time is used up."""
        key = self._files + path.name
        digest = sha256_of(path)
        patiently(lambda: self._bucket.upload(key, str(path), content_type), monitor)
        size = path.stat().st_size
        monitor.uploaded(size)
        return StoredFile(uri=self._bucket.uri(key), sha256=digest, bytes=size, content_type=content_type)

    def manifest_uri(self) -> str:
        """Return the address of the manifest, written or not."""
        return self._bucket.uri(self._manifest_key)

    def complete(self, manifest: Manifest, monitor: Monitor) -> VideoResult:
        """Write the manifest. If the attempt has one already, return that result instead."""
        body = patiently(lambda: self._write(manifest), monitor)
        result = manifest.result if body is None else self._parse(body)
        # Compare the files: S3 also refuses a repeated write whose first answer was lost.
        if result.video.uri != manifest.result.video.uri:
            self._withdraw(monitor)
        return result

    def _read(self) -> bytes | None:
        return self._bucket.get(self._manifest_key)

    def _parse(self, body: bytes) -> VideoResult:
        try:
            return Manifest.model_validate_json(body).result
        except ValidationError as error:
            raise StorageError(f"{self.manifest_uri()} is not a manifest") from error

    def _write(self, manifest: Manifest) -> bytes | None:
        """Write the manifest and return None, or return the one that is in S3 already."""
        # Without empty fields a dispatcher of the release before can read it.
        body = manifest.model_dump_json(indent=2, exclude_none=True).encode()
        if self._bucket.put_once(self._manifest_key, body, "application/json"):
            return None
        if (earlier := self._read()) is None:
            raise StorageError(f"S3 refused to write {self.manifest_uri()} and does not have it")
        return earlier

    def _withdraw(self, monitor: Monitor) -> None:
        """Delete this run's files, which no manifest names."""
        try:
            patiently(lambda: self._bucket.delete_folder(Folder(self._files)), monitor, LOOKUP_PATIENCE)
        except ReelzeroError as error:
            log.warning(
                "files that no manifest names stay in S3",
                extra={"prefix": self._files, "cause": error.message},
            )


def now() -> str:
    """Return the wall clock as RFC 3339 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def patiently(call: Callable[[], T], monitor: Monitor, patience: float = float("inf")) -> T:
    """Call S3 until it answers, for `patience` seconds and never past the attempt's limit.

    Raises the last StorageError, at once if S3 refused the call (a 4xx), because waiting cannot help.
    Raises Cancelled or GenerationTimeout if the attempt must stop.
    """
    end = monitor.remaining - patience  # `remaining` counts down
    delay = FIRST_DELAY
    while True:
        try:
            return interruptible(call, monitor)
        except StorageError as error:
            if _is_refusal(error) or monitor.remaining - delay < max(end, 0):
                raise
            log.warning("S3 is away; trying again", extra={"seconds": delay, "cause": error.message})
        monitor.wait(delay)
        delay = min(2 * delay, LONGEST_DELAY)


def interruptible(call: Callable[[], T], monitor: Monitor) -> T:
    """Run a blocking call in its own thread, so that a cancel does not wait for a dead socket.

    Raises what the call raises, Cancelled or GenerationTimeout.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="call", daemon=True).start()
    while True:
        try:
            return future.result(timeout=POLL)
        except TimeoutError:
            if future.done():  # by now, or with a time-out of its own
                return future.result()
            monitor.check()


def _is_refusal(error: BaseException | None) -> bool:
    """Return whether S3 answered with a 4xx other than 408 and 429, anywhere in the chain of causes."""
    while error is not None:
        response: dict[str, Any] = getattr(error, "response", None) or {}
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status:
            return 400 <= status < 500 and status not in (408, 429)
        error = error.__cause__ or error.__context__
    return False
