"""Turn the fields of a request, from any protocol, into an attempt with no field left open."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from eventing.contract.catalog import CatalogEntry
from eventing.contract.codecs.stream import Address, Assignment, Output
from eventing.contract.codecs.validation import validated
from eventing.contract.errors import InvalidRequest
from eventing.contract.records.models import Frozen, GenerationSpec, VideoRequest

ADDRESS = frozenset(Address.model_fields)  # where the result goes; all others describe the video


class Attempt(Frozen):
    """One attempt at one video. `traceparent` is the caller's W3C trace context.

    `is_assigned`: a dispatcher after 0.1.0 sent it, which reads records with fields that it does not know.
    """

    spec: GenerationSpec
    address: Address
    traceparent: str | None = None
    is_assigned: bool = False

    @property
    def is_stored(self) -> bool:
        """Tell whether the result goes to S3."""
        return self.address.output is Output.s3


def assigned(entry: CatalogEntry, assignment: Assignment, traceparent: str | None = None) -> Attempt:
    """Take a dispatcher's finished spec as it is.

    Raises InvalidRequest if it is for another model, or for an adapter that this catalog does not have.
    """
    _check_model(entry, assignment.spec.model)
    _check_loras(entry, assignment.spec)
    address = Address(**assignment.model_dump(exclude={"spec"}))
    return Attempt(spec=assignment.spec, address=address, traceparent=traceparent, is_assigned=True)


def make_attempt(entry: CatalogEntry, fields: Mapping[str, Any], traceparent: str | None = None) -> Attempt:
    """Validate fields and fill the rest from the catalog. Raises InvalidRequest naming the field.

    Numbers may be text, because some V2 clients cannot send others. A missing seed is derived from the job's
    id, so a repeated request gives the same video on every predictor.
    """
    request = validated(VideoRequest, {k: v for k, v in fields.items() if k not in ADDRESS})
    _check_model(entry, request.model)
    for field in request.pictures():
        raise InvalidRequest(
            f"{field}: pictures are taken by the eventing service; send it there", field=field
        )
    address = validated(Address, {k: v for k, v in fields.items() if k in ADDRESS and v is not None})
    if request.seed is None:
        request = request.model_copy(update={"seed": _seed(address.job_id)})
    return Attempt(spec=entry.resolve(request), address=address, traceparent=traceparent)


def _check_model(entry: CatalogEntry, model: str | None) -> None:
    if model not in (None, entry.name):
        raise InvalidRequest(f"this predictor serves {entry.name}, not {model}", field="model")


def _check_loras(entry: CatalogEntry, spec: GenerationSpec) -> None:
    known = entry.loras
    for index, lora in enumerate(spec.loras or ()):
        if lora.name not in known:
            raise InvalidRequest(
                f"this predictor has no adapter {lora.name} for {entry.name}; it has "
                f"{', '.join(known) or 'none'}",
                field=f"loras.{index}.name",
            )


def _seed(job_id: str) -> int:
    return int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:4], "big")
