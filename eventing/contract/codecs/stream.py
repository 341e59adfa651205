"""Define the stream between dispatcher and predictor: the request that opens it, and its records.

A stream carries progress records, a heartbeat after 10 s without a record, and one terminal record last.
"""

from __future__ import annotations

import uuid
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter

from eventing.contract.codecs.validation import validated
from eventing.contract.errors import InvalidRequest
from eventing.contract.records.loras import UsedLora
from eventing.contract.records.models import (
    JOB_ID_PATTERN,
    Failure,
    Frozen,
    GenerationSpec,
    Incoming,
    Progress,
    Received,
)
from eventing.contract.records.results import Mark, Sound, Timings, VideoResult
from eventing.contract.records.steps import StepResult

PREVIEW_BYTES = 8 << 10  # of the JPEG


class Output(StrEnum):
    """Where the predictor leaves the files."""

    s3 = "s3"
    inline = "inline"


def fresh_id() -> str:
    """Make a job id for a caller who sends none."""
    return uuid.uuid4().hex


class Address(Frozen):
    """Where a result belongs: a job, an attempt, and S3 or the answer."""

    job_id: str = Field(default_factory=fresh_id, pattern=JOB_ID_PATTERN)
    attempt: int = Field(1, ge=1, le=9999)
    output: Output = Output.s3


class Assignment(Address):
    """An attempt as a dispatcher sends it. Its spec is complete, so the predictor resolves nothing."""

    spec: GenerationSpec


class GenerateBody(Incoming):
    """Body of `POST /v2/models/{model}/generate_stream`: the V2 generate extension.

    `text_input` is the prompt. A dispatcher sends an Assignment as `parameters`. Any other V2 client sends
    fields of VideoRequest and Address, and the predictor's catalog fills what is missing.
    """

    id: str | None = None
    text_input: str
    parameters: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def of(cls, assignment: Assignment) -> Self:
        """Return the body that a dispatcher sends, without empty fields: an older predictor refuses them."""
        parameters = assignment.model_dump(mode="json", exclude_none=True)
        return cls(id=assignment.job_id, text_input=assignment.spec.prompt, parameters=parameters)

    @classmethod
    def flat(cls, assignment: Assignment) -> Self:
        """Return the body for a predictor of 0.1.0: the fields of the spec one by one, and no `spec`."""
        body = cls.of(assignment)
        spec = {k: v for k, v in body.parameters["spec"].items() if k not in {"prompt", "model"}}
        address = {k: v for k, v in body.parameters.items() if k != "spec"}
        return body.model_copy(update={"parameters": spec | address})

    def assignment(self) -> Assignment | None:
        """Return a dispatcher's attempt; None for other clients. Raises InvalidRequest naming the field."""
        if "spec" not in self.parameters:
            return None
        assignment = validated(Assignment, self.parameters, whole="parameters")
        if assignment.spec.prompt != self.text_input:
            raise InvalidRequest("text_input: must be the prompt of spec", field="text_input")
        return assignment


class ProgressRecord(Received):
    """A change of stage or step. Every stream begins with one, at once.

    Some bring a preview: a small picture of the video as the last step expects it. One says that the device
    is free: from then on the predictor takes the next job, while this one is encoded and uploaded.
    """

    type: Literal["progress"] = "progress"
    progress: Progress
    preview: str | None = Field(
        None, max_length=(PREVIEW_BYTES + 2) // 3 * 4, description="JPEG in base64, 8 KiB at most."
    )
    device_free: Literal[True] | None = Field(None, description="The device has left this attempt.")


class HeartbeatRecord(Received):
    """Sent after every 10 s without another record, in every stage."""

    type: Literal["heartbeat"] = "heartbeat"
    progress: Progress


class InlineVideo(Received):
    """A result returned in the answer itself."""

    seed: int
    width: int
    height: int
    num_frames: int
    fps: int
    video_base64: str
    sha256: str
    timings: Timings
    warnings: tuple[str, ...] = ()
    loras: tuple[UsedLora, ...] | None = None
    mark: Mark | None = None
    sound: Sound | None = None


class CompletedRecord(Received):
    """Terminal: the files are in S3 and the manifest is written (or inline: base64 MP4 in `video`)."""

    type: Literal["completed"] = "completed"
    result: VideoResult | None = None
    inline: InlineVideo | None = None
    step: StepResult | None = Field(None, description="Of a step of a story that is no video.")


class FailedRecord(Received):
    """Terminal: this attempt failed."""

    type: Literal["failed"] = "failed"
    error: Failure


StreamRecord = Annotated[
    ProgressRecord | HeartbeatRecord | CompletedRecord | FailedRecord, Field(discriminator="type")
]
stream_record: TypeAdapter[ProgressRecord | HeartbeatRecord | CompletedRecord | FailedRecord] = TypeAdapter(
    StreamRecord, config=ConfigDict(hide_input_in_errors=True)
)
