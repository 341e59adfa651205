"""Keep in S3 which video at an engine belongs to a job, so that the attempt after a killed one adopts it.

The note lies under the job's prefix, `jobs/ID/engine.json`, and is deleted with the job. It names the attempt
that waits for the video: an attempt that was overtaken by a later one must not stop that one's video.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError

from eventing.contract.credentials import digest
from eventing.contract.errors import StorageError
from eventing.contract.records.models import Received
from eventing.contract.records.results import job_prefix
from eventing.contract.storage.s3 import Bucket
from predictor.generation.attempt import Attempt
from predictor.generation.monitor import Monitor
from predictor.generation.result_store import patiently
from predictor.models.engines.client import EngineClient

PATIENCE = 20.0  # seconds; without a note a video is made twice at worst
T = TypeVar("T")
log = logging.getLogger(__name__)


class Note(Received):
    """A video at an engine, and the attempt that waits for it."""

    engine: str
    model: str
    video: str
    request_sha256: str
    attempt: int


@dataclass(frozen=True)
class Notebook:
    """The note of one job, as one attempt reads and writes it. Without a bucket there is none."""

    bucket: Bucket | None
    attempt: Attempt
    client: EngineClient
    monitor: Monitor

    def read(self) -> Note | None:
        """Return the note, if it is about this engine, this model and this request."""
        body = self._try(lambda bucket: bucket.get(self._key()))
        try:
            note = Note.model_validate_json(body) if body else None
        except ValidationError:
            log.warning("the note of a video at the engine is not one", extra={"key": self._key()})
            return None
        return note if note and note == self._note(note.video, note.attempt) else None

    def write(self, video: str) -> None:
        """Write that this attempt waits for a video."""
        body = self._note(video, self.attempt.address.attempt).model_dump_json().encode()
        self._try(lambda bucket: bucket.put(self._key(), body, "application/json"))

    def is_overtaken(self) -> bool:
        """Tell whether a later attempt waits for the video."""
        note = self.read()
        return note is not None and note.attempt > self.attempt.address.attempt

    def _key(self) -> str:
        return job_prefix(self.attempt.address.job_id) + "engine.json"

    def _note(self, video: str, attempt: int) -> Note:
        request = digest(self.attempt.spec)
        engine, model = self.client.url, self.client.engine.model
        return Note(engine=engine, model=model, video=video, request_sha256=request, attempt=attempt)

    def _try(self, call: Callable[[Bucket], T]) -> T | None:
        if (bucket := self.bucket) is None:
            return None
        try:
            return patiently(lambda: call(bucket), self.monitor, PATIENCE)
        except StorageError as error:
            log.warning("the note of a video at the engine is out of reach", extra={"cause": error.message})
            return None
