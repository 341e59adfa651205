"""Translate rows of tables to records and back. No other module does this."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from eventing.contract.records.models import Failure, Frozen, GenerationSpec, Progress
from eventing.contract.records.results import StoredFile, VideoResult
from eventing.contract.records.steps import StepResult, StepSpec
from eventing.domain.announcer import Message
from eventing.domain.destinations import target_of
from eventing.domain.job import Job, Status
from eventing.domain.kinds import Kind
from eventing.domain.story import Story, StoryStep

_RECORDS: dict[Kind, dict[str, type[Frozen]]] = {
    Kind.video: {"spec": GenerationSpec, "progress": Progress, "error": Failure, "result": VideoResult},
    Kind.step: {"spec": StepSpec, "progress": Progress, "error": Failure, "result": StepResult},
}


def job_from_row(row: Mapping[Any, Any]) -> Job:
    """Return the job of a row of the jobs table."""
    values: dict[str, Any] = dict(row)
    kind = Kind(values["kind"])
    for name, record in _RECORDS[kind].items():
        if values[name] is not None:
            values[name] = record.model_validate(values[name])
    return Job(**values | {"status": Status(values["status"]), "kind": kind})


def job_values(job: Job) -> dict[str, Any]:
    """Return all columns of a job.

    Records have no fields without a value: the release before may not know them, and must read the row.
    """
    values = {field.name: getattr(job, field.name) for field in dataclasses.fields(job)}
    for name in _RECORDS[job.kind]:
        if values[name] is not None:
            values[name] = record_values(values[name])
    return values | {"status": str(job.status), "kind": str(job.kind)}


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


_STEPS = TypeAdapter(tuple[StoryStep, ...])
_OUTPUTS = TypeAdapter(Mapping[str, StoredFile])


def story_from_row(row: Mapping[Any, Any]) -> Story:
    """Return the story of a row of the stories table."""
    values = {name: value for name, value in row.items() if name != "status"}  # the steps tell it
    return Story(**values | {"steps": _STEPS.validate_python(values["steps"])})


def story_values(story: Story) -> dict[str, Any]:
    """Return the columns of a story."""
    values = {field.name: getattr(story, field.name) for field in dataclasses.fields(story)}
    steps = _STEPS.dump_python(story.steps, mode="json")
    return values | {"steps": steps, "status": str(story.status)}


def outputs_from_row(value: Any) -> Mapping[str, StoredFile]:
    """Return the outputs of a step."""
    return _OUTPUTS.validate_python(value)


def outputs_value(outputs: Mapping[str, StoredFile]) -> Any:
    """Return the value of a column that holds the outputs of a step."""
    return _OUTPUTS.dump_python(outputs, mode="json")
