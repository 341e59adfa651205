"""Find and verify the result of an attempt of a step in S3.

What is verified, for a reported and for an adopted result: the manifest exists at the attempt's own key and
is for this job, attempt and type; every output has its own address below the attempt's prefix, and the object
there has the size and the type of its record. Its bytes are not read here: a clip without loss may have
gigabytes, and each step that takes it compares the SHA-256 of what arrives.
"""

from __future__ import annotations

import asyncio

from eventing.contract.records.results import StoredFile
from eventing.contract.records.steps import StepResult, step_attempt_prefix, step_manifest_key
from eventing.contract.storage.s3 import Bucket
from eventing.contract.storage.s3_http import ObjectClient
from eventing.dispatch.results import WrongResult, parsed
from eventing.domain.job import Job


async def find(objects: ObjectClient, job: Job, attempt: int) -> StepResult | None:
    """Return the verified result of an attempt; None if it has no manifest.

    Raises WrongResult, StorageError.
    """
    place = (job.story_id or "", job.step or "", job.id, attempt)
    body = await objects.get(step_manifest_key(*place))
    if body is None:
        return None
    result = parsed(StepResult, body)
    _check_identity(objects.bucket, result, job, attempt)
    for name, file in result.outputs.items():
        if file.uri != objects.bucket.uri(step_attempt_prefix(*place) + name):
            raise WrongResult(f"the address of the output {name} is not its own: {file.uri}")
        await asyncio.to_thread(_check_object, objects.bucket, name, file)
    return result


def _check_identity(bucket: Bucket, result: StepResult, job: Job, attempt: int) -> None:
    uri = bucket.uri(step_manifest_key(job.story_id or "", job.step or "", job.id, attempt))
    identity = (result.job_id, result.attempt, result.step, result.manifest_uri)
    if identity != (job.id, attempt, job.model, uri):
        raise WrongResult(f"the manifest is for job {identity[0]}, attempt {identity[1]}, step {identity[2]}")


def _check_object(bucket: Bucket, name: str, file: StoredFile) -> None:
    stored = bucket.head(bucket.key(file.uri))
    if stored is None:
        raise WrongResult(f"the output {name} is not in S3: {file.uri}")
    if stored != (file.bytes, file.content_type):
        raise WrongResult(f"the output {name} in S3 has {stored[0]} bytes of {stored[1]}, unlike its record")
