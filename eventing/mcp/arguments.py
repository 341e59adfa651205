"""Define what each tool takes. The schemas that agents see are generated from these records."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field

from eventing.contract.records.models import JOB_ID_PATTERN, Incoming, JobRequest, Status

LONGEST_WAIT = 50  # seconds; many clients give a tool up after 60
# Of a request: what an agent chooses. Where its video is announced and queued is the operator's matter.
CHOICES = (
    "prompt", "model", "negative_prompt", "width", "height", "num_frames", "quality", "seed", "n",
    "image", "last_image", "image_fit", "generate_audio",
)  # fmt: skip
# How an agent names a picture: it has no multipart form.
WORDS = {
    "image": {"description": "First frame: https:// or data: address; with `reelzero mcp` a file's path."},
    "last_image": {"description": "Last frame, with `image`; the same forms."},
}
JobId = Annotated[str, Field(pattern=JOB_ID_PATTERN, description="The id that make_video answered.")]


class NoArguments(Incoming):
    """No argument."""


class VideoArguments(Incoming):
    """One video."""

    id: JobId


class WaitArguments(Incoming):
    """One video, and how long to wait for it."""

    id: JobId
    seconds: float = Field(
        30, ge=0, le=LONGEST_WAIT, description="Longest wait. Call again if the video has not ended by then."
    )


class ListArguments(Incoming):
    """Which videos."""

    status: Status | None = Field(None, description="Only these; all if absent.")
    limit: int = Field(10, ge=1, le=50, description="Most videos of one answer.")
    after: str | None = Field(None, max_length=128, description="`next` of the answer before.")


def request_schema() -> dict[str, Any]:
    """Return the schema of a request, with the fields of CHOICES."""
    whole = JobRequest.model_json_schema()
    properties = {name: whole["properties"][name] for name in CHOICES}
    used = {
        name: kind for name, kind in whole["$defs"].items() if f'"#/$defs/{name}"' in json.dumps(properties)
    }
    return {
        "type": "object",
        "properties": {name: _short(value) | WORDS.get(name, {}) for name, value in properties.items()},
        "required": whole["required"],
        "additionalProperties": False,
        "$defs": {name: _short(value) for name, value in used.items()},
    }


def schema_of(kind: type[Incoming]) -> dict[str, Any]:
    """Return the schema of a record of arguments."""
    schema = kind.model_json_schema()
    properties = {name: _short(value) for name, value in schema.get("properties", {}).items()}
    return _short(schema) | {"properties": properties}


def _short(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave out titles, which repeat names: an agent reads every schema with every conversation."""
    return {name: value for name, value in schema.items() if name != "title"}
