"""Stories are checked whole: each fault names its path, and each step comes after what it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventing.contract.budget import Budget
from eventing.contract.catalog import load_catalog
from eventing.contract.codecs.validation import validated
from eventing.contract.errors import InvalidRequest
from eventing.contract.records.models import VideoRequest
from eventing.contract.stories.document import StepRequest, StoryRequest
from eventing.contract.stories.graph import Shape, Step, Video, check
from eventing.contract.stories.types import StepType

BUDGET = load_catalog().get("tiny").budget.model_dump()
SIDES = {"width": {"type": "integer"}, "height": {"type": "integer"}, "fps": {"type": "integer"}}


def kind(name: str, **fields: Any) -> StepType:
    rest = {"title": name, "run": {"kind": "builtin", "module": name}, "budget": BUDGET}
    return StepType.model_validate({"name": name} | rest | fields)


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


CLIP = {"media": "video/x-matroska"}
TYPES = {
    step.name: step
    for step in (
        kind("voice", outputs={"speech": {"media": "audio/wav"}}, parameters=schema(text={"type": "string"})),
        kind("title", outputs={"clip": CLIP | {"shape": "parameters"}}, parameters=schema(**SIDES)),
        kind(
            "fit",
            inputs={"clip": {"media": ["video/*"]}},
            outputs={"clip": CLIP | {"shape": "inputs.clip"}},
            parameters=schema(**SIDES),
        ),
        kind(
            "film",
            inputs={
                "clips": {"media": ["video/*"], "many": True, "same_shape": True},
                "speech": {"media": ["audio/*"], "required": False},
            },
            outputs={"film": {"media": "video/mp4", "shape": "inputs.clips"}},
        ),
    )
}
TITLE = {"uses": "title", "with": {"width": 64, "height": 48, "fps": 8}}
RED = {"uses": "video", "with": {"prompt": "a red circle"}}


def resolve(fields: Mapping[str, Any], _pictures: frozenset[str]) -> Video:
    return Video(load_catalog().get("tiny").resolve(validated(VideoRequest, dict(fields))), 2.5)


def checked(**steps: Any) -> tuple[Step, ...]:
    story = validated(StoryRequest, {"steps": steps})
    return check(story.steps, TYPES, resolve)


def test_steps_come_after_what_they_need_with_their_shapes_and_seconds() -> None:
    film, voice = (
        {"uses": "film", "inputs": {"clips": ["red.video"], "speech": "voice.speech"}},
        {"uses": "voice"},
    )
    steps = checked(film=film, voice=voice, red=RED)
    assert [step.name for step in steps][-1] == "film"
    by_name = {step.name: step for step in steps}
    assert by_name["film"].needs == {"red", "voice"}
    spec = load_catalog().get("tiny").resolve(VideoRequest(prompt="a"))
    assert by_name["film"].shapes == {"film": Shape(spec.width, spec.height, Fraction(spec.fps))}
    assert (by_name["red"].seconds, by_name["voice"].seconds) == (2.5, 1)


@pytest.mark.parametrize(
    ("steps", "field", "words"),
    [
        ({"a": {"uses": "dance"}}, "steps.a.uses", "known here: video, film, fit, title, voice"),
        ({"a": {"uses": "voice", "with": {"text": 3}}}, "steps.a.with.text", "3 is not of type 'string'"),
        (
            {"a": {"uses": "voice", "inputs": {"text": "b.x"}}, "b": RED},
            "steps.a.inputs.text",
            "it has: none",
        ),
        ({"a": {"uses": "film"}}, "steps.a.inputs.clips", "needs it: video/*"),
        (
            {"a": {"uses": "film", "inputs": {"clips": "b.clip"}}},
            "steps.a.inputs.clips",
            "no step b; known: a",
        ),
        (
            {"a": {"uses": "film", "inputs": {"clips": ["b.clip"]}}, "b": RED},
            r"steps.a.inputs.clips\[0\]",
            "no output clip; it has: video, poster, spritesheet",
        ),
        (
            {"a": {"uses": "film", "inputs": {"clips": "b.speech"}}, "b": {"uses": "voice"}},
            "steps.a.inputs.clips",
            r"b.speech is audio/wav, and video/\* is needed",
        ),
        (
            {"a": {"uses": "fit", "inputs": {"clip": ["b.clip", "b.clip"]}}, "b": TITLE},
            "steps.a.inputs.clip",
            "takes one file, and 2 are named",
        ),
        (
            {
                "a": {"uses": "film", "inputs": {"clips": ["b.clip", "c.clip"]}},
                "b": TITLE,
                "c": {"uses": "fit", "with": {"fps": 12}, "inputs": {"clip": "b.clip"}},
            },
            r"steps.a.inputs.clips\[1\]",
            "c.clip is 64x48 at 12 frames per second, and b.clip is 64x48 at 8 .* put a step fit between",
        ),
        ({"a": {"uses": "video", "with": {"prompt": " "}}}, "steps.a.with.prompt", "at least one word"),
        (
            {name: {"uses": "fit", "inputs": {"clip": f"{other}.clip"}} for name, other in ("ab", "ba")},
            r"steps.[ab].inputs.clip",
            "in a circle: . → . → .",
        ),
    ],
)
def test_a_fault_names_its_path(steps: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        checked(**steps)
    assert re.fullmatch(field, str(caught.value.field))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "needs either steps or scenes"),
        ({"steps": {"a": RED}, "scenes": [{"prompt": "a"}]}, "needs either steps or scenes"),
        ({"scenes": [{"narration": "a"}]}, "needs a prompt, an image or both"),
        ({"steps": {"a": {"uses": "fit", "inputs": {"clip": "clip"}}}}, "must be an output of a step"),
    ],
)
def test_a_document_that_is_no_story_is_refused(document: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        validated(StoryRequest, document)


@given(st.lists(st.sets(st.integers(0, 7)), min_size=1, max_size=8))
def test_any_order_without_a_circle_is_put_right(needs: list[set[int]]) -> None:
    """Step n needs steps with smaller numbers only, in whatever order they are written."""
    requests = {
        f"s{n}": StepRequest.model_validate(
            {"uses": "film", "inputs": {"clips": [f"s{m}.film" for m in sorted(some) if m < n]}}
            if any(m < n for m in some)
            else TITLE
        )
        for n, some in reversed(list(enumerate(needs)))
    }
    films = {name for name, request in requests.items() if request.uses == "film"}
    for request in requests.values():
        if request.uses == "film":
            clips = tuple(
                s if s.split(".")[0] in films else f"{s.split('.')[0]}.clip" for s in request.sources("clips")
            )
            request.inputs["clips"] = clips
    steps = check(requests, TYPES, resolve)
    seen: set[str] = set()
    for step in steps:
        assert step.needs <= seen
        seen.add(step.name)
    assert seen == set(requests)
    assert all(a != b for a, b in pairwise([step.name for step in steps]))


def test_a_budget_is_part_of_a_step_type() -> None:
    assert isinstance(TYPES["film"].budget, Budget)
