"""Make the order of an attempt of a step: what a runner is to do, with signed addresses of all files.

An address is valid for as long as the attempt may last. That of the manifest can be written once.
"""

from __future__ import annotations

import asyncio
from typing import Any

from eventing.contract.budget import Budget
from eventing.contract.errors import ModelUnavailable, StorageError
from eventing.contract.records.results import StoredFile
from eventing.contract.records.steps import StepSpec, step_attempt_prefix, step_manifest_key
from eventing.contract.storage.s3 import Bucket
from eventing.contract.stories.catalog import StepTypes
from eventing.contract.stories.types import InputRule, StepType
from eventing.domain.job import Job


class StepOrders:
    """Makes orders. The addresses lead to the endpoint that this process uses itself."""

    def __init__(self, bucket: Bucket, types: StepTypes) -> None:
        self._bucket, self._types = bucket, types

    def budget(self, job: Job) -> Budget:
        """Return the time limits of a job. Raises ModelUnavailable for a type that is not known here."""
        return self._type(job).budget

    async def order(self, job: Job) -> dict[str, Any]:
        """Return the order of a claimed job. Raises ModelUnavailable, StorageError."""
        return await asyncio.to_thread(self._order, job)

    def _type(self, job: Job) -> StepType:
        if kind := self._types.get(job.model):
            return kind
        known = ", ".join(self._types)
        raise ModelUnavailable(f"there is no step type {job.model} here; known: {known}")

    def _order(self, job: Job) -> dict[str, Any]:
        kind, spec = self._type(job), job.spec
        if not isinstance(spec, StepSpec) or job.story_id is None or job.step is None:
            raise StorageError(f"job {job.id} is not a step of a story")
        seconds = kind.budget.client_timeout
        place = (job.story_id, job.step, job.id, job.attempt)
        manifest = step_manifest_key(*place)
        return {
            "identity": {
                "job_id": job.id,
                "attempt": job.attempt,
                "step": spec.step,
                "version": spec.version,
                "manifest_uri": self._bucket.uri(manifest),
            },
            "inputs": {
                name: self._files(files, seconds, kind.inputs[name]) for name, files in spec.inputs.items()
            },
            "outputs": {
                name: self._target(step_attempt_prefix(*place) + name, rule.media, seconds)
                | {"required": rule.required}
                for name, rule in kind.outputs.items()
            },
            "parameters": spec.parameters,
            "manifest": self._target(manifest, "application/json", seconds, once=True)
            | {"read_url": self._bucket.signed_get(manifest, seconds)},
        }

    def _files(self, files: tuple[StoredFile, ...], seconds: int, rule: InputRule) -> Any:
        sources = [
            {
                "url": self._bucket.signed_get(self._bucket.key(file.uri), seconds),
                "sha256": file.sha256,
                "bytes": file.bytes,
                "content_type": file.content_type,
                "media": list(rule.media),  # the runner refuses a file of another kind
            }
            for file in files
        ]
        return sources if rule.many else sources[0]

    def _target(self, key: str, media: str, seconds: int, *, once: bool = False) -> dict[str, Any]:
        url, headers = self._bucket.signed_put(key, media, seconds, once=once)
        return {"url": url, "headers": headers, "uri": self._bucket.uri(key), "content_type": media}
