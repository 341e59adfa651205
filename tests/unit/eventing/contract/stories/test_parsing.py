"""A wrong request for a story: the path of the fault, and what would be right."""

from __future__ import annotations

from typing import Any

import pytest

from eventing.contract.errors import InvalidRequest
from eventing.contract.stories.parsing import parse_story

VOICE = {"uses": "narrate", "with": {"text": "A circle."}}
SCENE = {"prompt": "a red circle"}
WRONG: dict[str, tuple[Any, str | None, str]] = {
    "no object": (7, None, "must be a JSON object"),
    "nothing": ({}, None, "needs either steps or scenes"),
    "both forms": ({"steps": {"voice": VOICE}, "scenes": [SCENE]}, None, "needs either steps or scenes"),
    "an unknown field": ({"scene": [SCENE]}, "scene", "known: callback_url, film, metadata, scenes, steps"),
    "a step that is none": ({"steps": {"voice": 7}}, "steps.voice", "must be a JSON object"),
    "a name in capitals": ({"steps": {"Voice": VOICE}}, "steps.Voice", "lower-case letters"),
    "a field of a step": (
        {"steps": {"voice": VOICE | {"input": {}}}}, "steps.voice.input", "known: inputs, uses, with",
    ),
    "no source": (
        {"steps": {"voice": VOICE | {"inputs": {"text": "words"}}}}, "steps.voice.inputs.text", "an output",
    ),
    "no source in a list": (
        {"steps": {"voice": VOICE | {"inputs": {"text": ["a.b", "words"]}}}},
        "steps.voice.inputs.text[1]", "an output of a step",
    ),
    "a source that is a number": (
        {"steps": {"voice": VOICE | {"inputs": {"text": 7}}}}, "steps.voice.inputs.text", "text or a list",
    ),
    "scenes that are no list": ({"scenes": {"1": SCENE}}, "scenes", "must be a list"),
    "an empty scene": ({"scenes": [SCENE, {"narration": "A circle."}]}, "scenes[1]", "needs a prompt"),
    "a length below zero": ({"scenes": [SCENE | {"seconds": -1}]}, "scenes[0].seconds", "greater than 0"),
    "a field of a scene": ({"scenes": [SCENE | {"promt": "x"}]}, "scenes[0].promt", "prompt, seconds, title"),
    "a field of the film": ({"scenes": [SCENE], "film": {"musik": "x"}}, "film.musik", "known: fps, height"),
    "metadata with a number for a name": (
        {"scenes": [SCENE], "metadata": {"7": 7}}, "metadata.7", "valid string",
    ),
}  # fmt: skip


@pytest.mark.parametrize("body, field, says", WRONG.values(), ids=WRONG)
def test_the_path_of_a_fault_is_named(body: Any, field: str | None, says: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_story(body)
    assert refusal.value.field == field
    assert refusal.value.message.startswith(f"{field or 'body'}: ")
    assert says in refusal.value.message
    assert "[key]" not in refusal.value.message


def test_an_input_stays_as_the_caller_wrote_it() -> None:
    inputs = {"clips": ["one.clip", "two.clip"], "music": "https://example.com/m.mp3"}
    body = {"steps": {"film": {"uses": "film", "inputs": inputs}}}
    request = parse_story(body)
    assert request.model_dump(mode="json", by_alias=True, exclude_unset=True) == body
    assert request.steps["film"].sources("music") == ("https://example.com/m.mp3",)
