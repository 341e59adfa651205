"""Step types for tests, as small as they can be."""

from __future__ import annotations

from typing import Any

from eventing.contract.catalog import load_catalog
from eventing.contract.stories.types import StepType

BUDGET = load_catalog().get("tiny").budget.model_dump()
CLIP = {"media": "video/mp4"}
SIDES = {"width": {"type": "integer"}, "height": {"type": "integer"}, "fps": {"type": "integer"}}


def schema(**properties: Any) -> dict[str, Any]:
    """The schema of some parameters and no others."""
    return {"type": "object", "properties": properties, "additionalProperties": False}


def kind(name: str, **fields: Any) -> StepType:
    """A step type with these fields."""
    rest = {"title": name, "run": {"kind": "builtin", "module": name}, "budget": BUDGET}
    return StepType.model_validate({"name": name} | rest | fields)


SECONDS = {"type": "number"}
TYPES = {
    each.name: each
    for each in (
        kind(
            "narrate",
            outputs={"speech": {"media": "audio/wav"}, "timings": {"media": "application/json"}},
            parameters=schema(text={"type": "string", "maxLength": 40}, voice={"type": "string"}),
            seconds=2,
        ),
        kind(
            "title",
            inputs={"speech": {"media": ["audio/wav"], "required": False}},
            outputs={"clip": CLIP | {"shape": "parameters"}},
            parameters=schema(text={"type": "string"}, seconds=SECONDS, **SIDES),
        ),
        kind(
            "still",
            inputs={"image": {"media": ["image/*"]}, "speech": {"media": ["audio/wav"], "required": False}},
            outputs={"clip": CLIP | {"shape": "parameters"}},
            parameters=schema(seconds=SECONDS, **SIDES),
        ),
        kind(
            "fit",
            inputs={"clip": {"media": ["video/*"]}, "speech": {"media": ["audio/wav"], "required": False}},
            outputs={"clip": CLIP | {"shape": "parameters"}},
            parameters=schema(seconds=SECONDS, **SIDES),
        ),
        kind(
            "film",
            inputs={
                "clips": {"media": ["video/*"], "many": True, "same_shape": True},
                "speech": {"media": ["audio/wav"], "many": True, "required": False},
                "timings": {"media": ["application/json"], "many": True, "required": False},
                "music": {"media": ["audio/*"], "required": False},
            },
            outputs={
                "film": CLIP,
                "subtitles": {"media": "text/vtt", "required": False},
                "poster": {"media": "image/jpeg", "required": False},
            },
            parameters={"type": "object"},
            seconds=3,
        ),
    )
}
