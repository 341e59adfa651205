"""A revision is a whole request, or what changes of scenes and steps."""

from __future__ import annotations

from typing import Any

import pytest

from eventing.contract.errors import InvalidRequest
from eventing.stories.revise import revised

SCENES = {
    "scenes": [{"prompt": "a red circle", "narration": "One."}, {"prompt": "a square"}, {"title": "End"}],
    "film": {"voice": "en-gb"},
    "metadata": {"order": "1"},
}
STEPS = {"steps": {"a": {"uses": "title", "with": {"text": "x", "width": 64}}, "b": {"uses": "narrate"}}}


def scenes_of(change: Any) -> list[dict[str, Any]]:
    request = revised(SCENES, change).model_dump(exclude_unset=True)
    return list(request["scenes"])


def test_one_scene_changes_and_the_others_stay() -> None:
    one, two, three = scenes_of({"scenes": {"2": {"prompt": "a green square", "seconds": 2}}})
    assert (one, three) == (SCENES["scenes"][0], SCENES["scenes"][2])  # type: ignore[index] # a list
    assert two == {"prompt": "a green square", "seconds": 2}


def test_null_removes_a_field_or_a_scene_and_the_number_after_the_last_adds_one() -> None:
    changes = {"1": {"narration": None}, "2": None, "4": {"title": "More"}}
    assert scenes_of({"scenes": changes}) == [{"prompt": "a red circle"}, {"title": "End"}, {"title": "More"}]


def test_film_and_metadata_change_without_the_scenes() -> None:
    request = revised(SCENES, {"film": {"voice": None, "fps": 8}, "metadata": {"order": "2"}})
    assert (request.film.voice, request.film.fps, request.metadata) == (None, 8, {"order": "2"})
    assert len(request.scenes) == 3


def test_steps_change_by_name() -> None:
    request = revised(STEPS, {"steps": {"a": {"with": {"text": "y"}}, "b": None}})
    assert list(request.steps) == ["a"]
    assert request.steps["a"].parameters == {"text": "y", "width": 64}


def test_a_whole_request_replaces_the_old_one() -> None:
    assert len(revised(SCENES, {"scenes": [{"title": "New"}]}).scenes) == 1
    assert list(revised(STEPS, {"steps": {"c": {"uses": "title"}}}).steps) == ["c"]


@pytest.mark.parametrize(
    ("document", "change", "message"),
    [
        (SCENES, {"scenes": {"7": {"title": "x"}}}, "scenes.7: must be the number of a scene, 1 to 3"),
        (SCENES, {"scenes": {"0": None}}, "scenes.0: must be the number of a scene"),
        (SCENES, {"scenes": {"1": "red"}}, "scenes.1: must be a JSON object, or null"),
        (SCENES, {"scenes": {"1": {"colour": "red"}}}, r"scenes\[0\].colour: unknown field"),
        (STEPS, {"scenes": {"1": {"title": "x"}}}, "this story has steps and no scenes"),
        (SCENES, ["scenes"], "must be a JSON object"),
        (SCENES, {"scenes": {str(n): None for n in (1, 2, 3)}}, "needs either steps or scenes"),
    ],
)
def test_what_cannot_be_changed_is_named(document: dict[str, Any], change: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        revised(document, change)
