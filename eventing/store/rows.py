"""Translate rows of tables to records and back. No other module does this."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from eventing.contract.records.models import Failure, Frozen, GenerationSpec, Progress
from eventing.contract.records.results import VideoResult
from eventing.domain.announcer import Message
from eventing.domain.destinations import target_of
from eventing.domain.job import Job, Status

_RECORDS: dict[str, type[Frozen]] = {
    "spec": GenerationSpec,
    "progress": Progress,
    "error": Failure,
    "result": VideoResult,
}


def job_from_row(row: Mapping[Any, Any]) -> Job:
    """Return the job of a row of the jobs table."""
    values: dict[str, Any] = dict(row)
    for name, kind in _RECORDS.items():
        if values[name] is not None:
            values[name] = kind.model_validate(values[name])
    return Job(**values | {"status": Status(values["status"])})


def job_values(job: Job) -> dict[str, Any]:
    """Return all columns of a job.

    Records have no fields without a value: the release before may not know them, and must read the row.
    """
    values = {field.name: getattr(job, field.name) for field in dataclasses.fields(job)}
    for name in _RECORDS:
        if values[name] is not None:
            values[name] = record_values(values[name])
    return values | {"status": str(job.status)}


def record_values(record: Frozen) -> dict[str, Any]:
    """Return the value of a column that holds a record."""
    return record.model_dump(mode="json", exclude_none=True)


def changed_values(old: Job, new: Job) -> dict[str, Any]:
    """Return only the columns that a transition has changed."""
    before, after = job_values(old), job_values(new)
    return {name: value for name, value in after.items() if before[name] != value}


def message_values(message: Message) -> dict[str, Any]:
    """Return the outbox columns that a message fills."""
    where = message.destination
    return vars(message) | {"destination": where.kind, "target": target_of(where)}
