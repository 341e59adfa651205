"""Generate the JSON Schemas of all events and the AsyncAPI document from the models.

`python -m eventing.contract.schemas` writes docs/schemas and docs/asyncapi.yaml;
a test compares them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from eventing import __version__
from eventing.contract.records.events import (
    GROUP_COMPLETED,
    INCOMING,
    PREFIX,
    PROGRESSED,
    REJECTED,
    REQUESTED,
    STARTED,
    STORY,
    STORY_REQUESTED,
    STORY_STARTED,
    STORY_STEP_COMPLETED,
    STORY_TERMINAL,
    TERMINAL,
    GroupEventData,
    JobEventData,
    ProgressEventData,
    RejectedEventData,
    StoryEventData,
    StoryStepEventData,
)
from eventing.contract.records.models import JobRequest, Status
from eventing.contract.stories.document import StoryRequest

BASE = "https://reelzero.dev/schemas/"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
REQUIRED = ["specversion", "id", "source", "type", "data"]
PAYLOADS: dict[str, tuple[type[BaseModel], str]] = {
    REQUESTED: (JobRequest, "Ask for a video."),
    STARTED: (JobEventData, "A predictor took the job."),
    PROGRESSED: (ProgressEventData, "How far a job is; at most every 5 s, never after the end."),
    TERMINAL[Status.completed]: (JobEventData, "The video is in S3."),
    TERMINAL[Status.failed]: (JobEventData, "No further attempt will be made."),
    TERMINAL[Status.cancelled]: (JobEventData, "The job was cancelled on request."),
    GROUP_COMPLETED: (GroupEventData, "All jobs of a group have ended."),
    REJECTED: (
        RejectedEventData,
        "An event that cannot become a job or a story; once per source and id.",
    ),
    STORY_REQUESTED: (StoryRequest, "Ask for a film of several steps."),
    STORY_STARTED: (StoryEventData, "The first step of a story has begun."),
    STORY_STEP_COMPLETED: (StoryStepEventData, "A step of a story has left its files in S3."),
    STORY_TERMINAL[Status.completed]: (StoryEventData, "All steps are completed; the film is in S3."),
    STORY_TERMINAL[Status.failed]: (StoryEventData, "A step failed, and no further one begins."),
    STORY_TERMINAL[Status.cancelled]: (StoryEventData, "The story was cancelled on request."),
}
TEXT = {"type": "string", "minLength": 1}


def event_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of one event in its JSON format."""
    model, meaning = PAYLOADS[kind]
    incoming = kind in INCOMING
    data = model.model_json_schema(mode="validation" if incoming else "serialization")
    definitions = data.pop("$defs", {})
    properties: dict[str, Any] = {
        "specversion": {"const": "1.0"},
        "id": TEXT | {"maxLength": 256},
        "source": TEXT | {"maxLength": 256, "format": "uri-reference"},
        "type": {"const": kind},
        "subject": TEXT
        | {"description": "Id of the job, group or story (of a rejected event: that event's id)."},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"type": "string"},
        "traceparent": {"type": "string", "description": "W3C Trace Context."},
        "data": data,
    }
    if not incoming:
        properties |= {} if kind.startswith(STORY) else {"model": TEXT}
        properties["sequence"] = TEXT | {"description": "Zero-padded: sorts as text, per job or story."}
    schema: dict[str, Any] = {"$schema": DIALECT, "$id": f"{BASE}{kind}.json"}
    schema |= {"title": kind, "description": meaning}
    schema |= {"type": "object", "required": REQUIRED, "properties": properties}
    # Unknown attributes are extensions, which CloudEvents allows. Unknown fields of the data are errors.
    return schema | {"$defs": definitions} if definitions else schema


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document: events in and out, by reference to their schemas."""
    messages = {_name(kind): _message(kind) for kind in PAYLOADS}
    incoming = [_name(kind) for kind in INCOMING]
    outgoing = [name for name in messages if name not in incoming]
    webhook = [_name(kind) for kind in (*TERMINAL.values(), GROUP_COMPLETED, *STORY_TERMINAL.values())]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "reelzero",
            "version": __version__,
            "description": "Text to video that scales to zero: CloudEvents 1.0 in and out.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            "requests": _channel("/events", "Requests, from a Broker's Trigger or any producer.", incoming),
            "sink": _channel(
                None, "All events about jobs and stories (REELZERO_SINK_URL or K_SINK).", outgoing
            ),
            "webhook": _channel(
                None, "The end of one job, group or story, signed as Standard Webhooks.", webhook
            ),
        },
        "operations": {
            "receiveRequest": _operation("receive", "requests"),
            "sendEvents": _operation("send", "sink"),
            "sendWebhook": _operation("send", "webhook"),
        },
        "components": {"messages": messages},
    }


def documents() -> dict[str, str]:
    """Return the text of every generated file, by its name below docs/."""
    files = {
        f"schemas/{kind}.json": json.dumps(event_schema(kind), indent=2, ensure_ascii=False) + "\n"
        for kind in PAYLOADS
    }
    header = "# Generated by `python -m eventing.contract.schemas`.\n"
    return files | {"asyncapi.yaml": header + yaml.safe_dump(asyncapi(), sort_keys=False, width=110)}


def main(folder: Path) -> None:
    """Write the files."""
    (folder / "schemas").mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (folder / name).write_text(text, encoding="utf-8")


def _name(kind: str) -> str:
    return kind.removeprefix(PREFIX).removeprefix("dev.reelzero.").removesuffix(".v1")


def _message(kind: str) -> dict[str, Any]:
    return {
        "name": kind,
        "summary": PAYLOADS[kind][1],
        "contentType": "application/cloudevents+json",
        "payload": {"$ref": f"schemas/{kind}.json"},
    }


def _channel(address: str | None, meaning: str, messages: list[str]) -> dict[str, Any]:
    references = {name: {"$ref": f"#/components/messages/{name}"} for name in messages}
    return {"address": address, "description": meaning, "messages": references}


def _operation(action: str, channel: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
