"""The stream between dispatcher and predictor: the request that opens it and the records it carries.

A stream is progress records, with a heartbeat in every silence of 10 s, and ends with one terminal record.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from eventing.contract.models import Failure, Frozen, Incoming, Progress, Timings, VideoResult


class Output(StrEnum):
    """Where the predictor leaves the files."""

    s3 = "s3"
    inline = "inline"


class GenerateBody(Incoming):
    """Body of `POST /v2/models/{model}/generate_stream`: the V2 generate extension with our parameters.

    `text_input` is the prompt; `parameters` are the other fields of VideoRequest plus `output`,
    `job_id` and `attempt`. The predictor resolves what is missing by the same catalog entry.
    """

    id: str | None = None
    text_input: str
    parameters: dict[str, Any] = Field(default_factory=dict)


class ProgressRecord(Frozen):
    """A change of stage or step. The first record of every stream is one, at once."""

    type: Literal["progress"] = "progress"
    progress: Progress


class HeartbeatRecord(Frozen):
    """Sent every 10 s when nothing else was, in every stage."""

    type: Literal["heartbeat"] = "heartbeat"
    progress: Progress


class InlineVideo(Frozen):
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


class CompletedRecord(Frozen):
    """Terminal: the files are in S3 and the manifest is written (or inline: base64 MP4 in `video`)."""

    type: Literal["completed"] = "completed"
    result: VideoResult | None = None
    inline: InlineVideo | None = None


class FailedRecord(Frozen):
    """Terminal: this attempt failed."""

    type: Literal["failed"] = "failed"
    error: Failure


StreamRecord = Annotated[
    ProgressRecord | HeartbeatRecord | CompletedRecord | FailedRecord, Field(discriminator="type")
]
stream_record: TypeAdapter[ProgressRecord | HeartbeatRecord | CompletedRecord | FailedRecord] = TypeAdapter(
    StreamRecord, config=ConfigDict(hide_input_in_errors=True)
)
