"""A pydantic error becomes an InvalidRequest here and nowhere else."""

from __future__ import annotations

from pydantic import ValidationError

from eventing.contract.errors import InvalidRequest
from eventing.contract.models import JobRequest


def invalid(error: ValidationError) -> InvalidRequest:
    """The first problem of a validation error, in words for the caller."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or None
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = f"unknown field; known: {', '.join(sorted(JobRequest.model_fields))}"
    return InvalidRequest(f"{field or 'body'}: {message}", field=field)
