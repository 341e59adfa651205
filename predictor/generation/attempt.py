"""Turn the fields of a request, from any protocol, into an attempt with no field left open."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from eventing.contract.catalog import CatalogEntry
from eventing.contract.errors import InvalidRequest
from eventing.contract.models import JOB_ID_PATTERN, Frozen, GenerationSpec, VideoRequest
from eventing.contract.stream import Output
from eventing.contract.validation import validated

ADDRESS = frozenset({"output", "job_id", "attempt"})  # where the result goes; all others describe the video


def fresh_id() -> str:
    """Make a job id for a caller that sent none."""
    return uuid.uuid4().hex


class Address(Frozen):
    """Where a result goes."""

    job_id: str = Field(default_factory=fresh_id, pattern=JOB_ID_PATTERN)
    attempt: int = Field(1, ge=1, le=9999)
    output: Output = Output.s3


class Attempt(Frozen):
    """One attempt at one video. `traceparent` is the caller's W3C trace context."""

    spec: GenerationSpec
    address: Address
    traceparent: str | None = None


def make_attempt(entry: CatalogEntry, fields: Mapping[str, Any], traceparent: str | None = None) -> Attempt:
    """Validate fields and fill the rest from the catalog. Raises InvalidRequest naming the field.

    Numbers may be text, because some V2 clients cannot send others. A missing seed is derived from the job's
    id, so a repeated request gives the same video on every predictor.
    """
    request = validated(VideoRequest, {k: v for k, v in fields.items() if k not in ADDRESS})
    if request.model not in (None, entry.name):
        raise InvalidRequest(f"this predictor serves {entry.name}, not {request.model}", field="model")
    address = validated(Address, {k: v for k, v in fields.items() if k in ADDRESS and v is not None})
    if request.seed is None:
        request = request.model_copy(update={"seed": _seed(address.job_id)})
    return Attempt(spec=entry.resolve(request), address=address, traceparent=traceparent)


def _seed(job_id: str) -> int:
    return int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:4], "big")
