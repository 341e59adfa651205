"""Find and verify the result of an attempt in S3. No job is completed by a predictor's report alone.

What is verified, for a reported and for an adopted result:
- the manifest exists at the attempt's own key and is for this job, attempt and model;
- every file has its own address below the attempt's prefix in the bucket, and the content type of its kind;
- the object there has that type and size, and its bytes have the recorded SHA-256.
The bytes are read once. The checksums that S3 keeps are no substitute: they differ between
servers, and between whole and multipart uploads. Reading some megabytes costs little beside a generation.
"""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import unquote

from pydantic import ValidationError

from eventing.contract.codecs.validation import first_problem
from eventing.contract.records.frozen import Received
from eventing.contract.records.results import Manifest, StoredFile, VideoResult, attempt_prefix, manifest_key
from eventing.contract.storage.s3 import Bucket
from eventing.contract.storage.s3_http import ObjectClient
from eventing.domain.job import Job

T = TypeVar("T", bound=Received)
KINDS = {"video": "video/mp4", "poster": "image/jpeg", "spritesheet": "image/jpeg"}


class WrongResult(Exception):
    """The manifest or a file in S3 is not a result of this attempt. The message says why."""


async def find(objects: ObjectClient, job: Job, attempt: int) -> VideoResult | None:
    """Return the verified result of an attempt; None if it has no manifest.

    Raises WrongResult, StorageError.
    """
    body = await objects.get(manifest_key(job.id, attempt))
    if body is None:
        return None
    bucket, result = objects.bucket, parsed(Manifest, body).result
    _check_identity(bucket, result, job, attempt)
    files = {kind: getattr(result, kind) for kind in KINDS}
    if len({file.uri for file in files.values()} | {result.manifest_uri}) != len(files) + 1:
        raise WrongResult("two files of the manifest have the same address")
    for kind, file in files.items():
        _check_address(bucket, kind, file, attempt_prefix(job.id, attempt))
        await _check_object(objects, kind, file)
    return result


def parsed(kind: type[T], body: bytes) -> T:
    """Return the record of a manifest. Raises WrongResult."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        problem = first_problem(error).sentence("the manifest")
        raise WrongResult(f"the manifest cannot be read: {problem}") from error


def _check_identity(bucket: Bucket, result: VideoResult, job: Job, attempt: int) -> None:
    expected = (job.id, attempt, job.model, bucket.uri(manifest_key(job.id, attempt)))
    if (result.job_id, result.attempt, result.model, result.manifest_uri) != expected:
        raise WrongResult(
            f"the manifest is for job {result.job_id}, attempt {result.attempt}, model {result.model}"
            f" at {result.manifest_uri}"
        )


def _check_address(bucket: Bucket, kind: str, file: StoredFile, prefix: str) -> None:
    below = file.uri.removeprefix(bucket.uri(prefix))
    if below == file.uri or not below or {"", ".", ".."} & set(unquote(below).split("/")):
        raise WrongResult(f"the address of the {kind} is not below {bucket.uri(prefix)}: {file.uri}")
    if file.content_type != KINDS[kind]:
        raise WrongResult(f"the {kind} must have the type {KINDS[kind]}, not {file.content_type}")


async def _check_object(objects: ObjectClient, kind: str, file: StoredFile) -> None:
    stored = await objects.digest(objects.bucket.key(file.uri), file.bytes)
    if stored is None:
        raise WrongResult(f"the {kind} is not in S3: {file.uri}")
    if (stored.size, stored.content_type) != (file.bytes, file.content_type):
        raise WrongResult(
            f"the {kind} in S3 has {stored.size} bytes and the type {stored.content_type}, unlike its record"
        )
    if not file.bytes:
        raise WrongResult(f"the {kind} is empty: {file.uri}")
    if stored.sha256 != file.sha256:
        raise WrongResult(f"the checksum of the {kind} in S3 differs from its record")
