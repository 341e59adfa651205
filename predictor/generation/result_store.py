"""Results in S3: files first, the manifest last and once, and patience while S3 is away.

A manifest's presence means that its attempt is complete, so a request that is sent a second time is
answered from it, and a predictor killed before it wrote one has produced nothing.

Two predictors may be asked for the same attempt at once. Each run's files have a place of their own, and only
the manifest says which are the result: the run that ends second takes its own away and answers with the
first's.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from eventing.contract.errors import ReelzeroError, StorageError
from eventing.contract.models import Manifest, StoredFile, VideoResult, attempt_prefix, manifest_key
from eventing.contract.s3 import Bucket, Folder
from predictor.generation.attempt import Address
from predictor.generation.monitor import Monitor

LOOKUP_PATIENCE = 20.0  # seconds; a lookup that fails costs nothing but a generation that might be repeated
FIRST_DELAY, LONGEST_DELAY = 0.5, 15.0
POLL = 0.1  # seconds between looks at a cancel while a call to S3 blocks
T = TypeVar("T")
log = logging.getLogger(__name__)


class ResultStore:
    """The result of one attempt, in one bucket, as one run of it sees it."""

    def __init__(self, bucket: Bucket, address: Address) -> None:
        self._bucket = bucket
        self._files = f"{attempt_prefix(address.job_id, address.attempt)}{secrets.token_hex(6)}/"
        self._manifest_key = manifest_key(address.job_id, address.attempt)

    def find(self, monitor: Monitor) -> VideoResult | None:
        """The result this attempt already has, or None. Raises StorageError."""
        return patiently(self._look, monitor, LOOKUP_PATIENCE)

    def upload(self, path: Path, content_type: str, monitor: Monitor) -> StoredFile:
        """Upload one file. Raises StorageError once the job's time is used up."""
        key = self._files + path.name
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        patiently(lambda: self._bucket.upload(key, str(path), content_type), monitor)
        size = path.stat().st_size
        return StoredFile(uri=self._bucket.uri(key), sha256=digest, bytes=size, content_type=content_type)

    def manifest_uri(self) -> str:
        """Where the manifest will be."""
        return self._bucket.uri(self._manifest_key)

    def complete(self, manifest: Manifest, monitor: Monitor) -> VideoResult:
        """Write the manifest, last and once. If this attempt has one already, that result is the answer."""
        answer = patiently(lambda: self._write(manifest), monitor)
        # Not by whether it was written: S3 refuses a repetition also when the first answer was lost.
        if answer.video.uri != manifest.result.video.uri:
            self._withdraw(monitor)
        return answer

    def _look(self) -> VideoResult | None:
        body = self._bucket.get(self._manifest_key)
        return Manifest.model_validate_json(body).result if body is not None else None

    def _write(self, manifest: Manifest) -> VideoResult:
        """The result that is in S3 now: this one, or that of a run that was faster."""
        body = manifest.model_dump_json(indent=2).encode()
        if self._bucket.put_once(self._manifest_key, body, "application/json"):
            return manifest.result
        if (earlier := self._look()) is None:
            raise StorageError(f"S3 neither took nor has {self.manifest_uri()}")
        return earlier

    def _withdraw(self, monitor: Monitor) -> None:
        """Remove this run's files, which nothing names."""
        try:
            patiently(lambda: self._bucket.delete_folder(Folder(self._files)), monitor, LOOKUP_PATIENCE)
        except ReelzeroError as error:
            log.warning(
                "files of no result stay in S3", extra={"prefix": self._files, "cause": error.message}
            )


def now() -> str:
    """The wall clock as RFC 3339 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def patiently(call: Callable[[], T], monitor: Monitor, patience: float = float("inf")) -> T:
    """Call S3 until it answers, for `patience` seconds but never past the job's limit.

    Raises the last StorageError, at once if S3 refused the call (a 4xx) and waiting cannot help; Cancelled
    or GenerationTimeout if the job has to stop.
    """
    end = monitor.remaining - patience  # of `remaining`, which counts down
    delay = FIRST_DELAY
    while True:
        try:
            return _interruptible(call, monitor)
        except StorageError as error:
            if _is_refusal(error) or monitor.remaining - delay < max(end, 0):
                raise
            log.warning("S3 is away; trying again", extra={"seconds": delay, "cause": error.message})
        monitor.pause(delay)
        delay = min(2 * delay, LONGEST_DELAY)


def _interruptible(call: Callable[[], T], monitor: Monitor) -> T:
    """Run a call that blocks in a thread of its own, so that a cancel need not wait for a dead socket."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(call())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, name="s3", daemon=True).start()
    while True:
        try:
            return done.result(timeout=POLL)
        except TimeoutError:
            if done.done():
                raise
            monitor.check()


def _is_refusal(error: BaseException | None) -> bool:
    """Whether S3 answered with a 4xx other than 408 and 429, somewhere down the chain of causes."""
    while error is not None:
        response: dict[str, Any] = getattr(error, "response", None) or {}
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status:
            return 400 <= status < 500 and status not in (408, 429)
        error = error.__cause__ or error.__context__
    return False
