"""Read the bodies of requests about stories, and describe them in the API's document."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import Field

from eventing.api.requests.bodies import read_object
from eventing.contract.records.models import Frozen
from eventing.contract.stories.document import StoryRequest
from eventing.contract.stories.parsing import parse_story


class StoryRevision(Frozen):
    """What changes of a story: some fields of some scenes or steps, by JSON merge patch (RFC 7386).

    Null removes a field, a scene or a step. A whole request is taken too.
    """

    scenes: dict[str, dict[str, Any] | None] | None = Field(
        None, description="By number, from 1; the number after the last adds a scene."
    )
    steps: dict[str, dict[str, Any] | None] | None = Field(None, description="By name.")
    film: dict[str, Any] | None = None
    metadata: dict[str, str | None] | None = None
    callback_url: str | None = None


def _body(schemas: tuple[str, ...], examples: dict[str, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    references = [{"$ref": f"#/components/schemas/{name}"} for name in schemas]
    content = {
        "schema": references[0] if len(references) == 1 else {"anyOf": references},
        "examples": {
            name: {"summary": summary, "value": value} for name, (summary, value) in examples.items()
        },
    }
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


_SCENES = {
    "scenes": [
        {"prompt": "a red circle moving right", "narration": "A circle comes in.", "transition": 0.5},
        {"prompt": "a blue square", "narration": "A square waits for it.", "seconds": 4},
        {"title": "The end", "seconds": 2},
    ],
    "film": {"voice": "en-gb", "subtitles": "burnt"},
}
_STEPS = {
    "steps": {
        "circle": {"uses": "video", "with": {"prompt": "a red circle moving right", "seed": 7}},
        "voice": {"uses": "narrate", "with": {"text": "A circle comes in."}},
        "film": {"uses": "film", "inputs": {"clips": ["circle.video"], "speech": ["voice.speech"]}},
    }
}
STORY_BODY = _body(
    ("StoryRequest",), {"scenes": ("Scenes become steps.", _SCENES), "steps": ("A graph of steps.", _STEPS)}
)
REVISE_BODY = _body(
    ("StoryRevision", "StoryRequest"),
    {
        "scene": ("Another second scene.", {"scenes": {"2": {"prompt": "a green square"}}}),
        "step": ("Other words.", {"steps": {"voice": {"with": {"text": "A circle leaves."}}}}),
    },
)


async def _read(request: Request) -> StoryRequest:
    return parse_story(await read_object(request))


StoryBody = Annotated[StoryRequest, Depends(_read)]
ChangeBody = Annotated[dict[str, Any], Depends(read_object)]
