"""Scenes become steps by a template, and the graph of these is whole."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from eventing.contract.codecs.validation import validated
from eventing.contract.errors import ConfigurationError, InvalidRequest
from eventing.contract.stories.document import StepRequest, StoryRequest
from eventing.contract.stories.graph import Shape
from eventing.contract.stories.scenes import Templates

SHAPE = Shape(64, 48, Fraction(8))
STORY = {
    "scenes": [
        {"title": 'It says "hello": {{ 7 * 7 }}'},
        {
            "prompt": "a red circle\n# not a comment",
            "narration": "Once there was a circle.",
            "transition": 0.5,
        },
        {"image": "https://example.com/a.png", "seconds": 3, "narration": "The end."},
    ],
    "film": {"model": "tiny", "voice": "en-gb", "music": "s3://bucket/music.mp3"},
}


def steps(document: dict[str, Any], templates: Templates | None = None) -> dict[str, StepRequest]:
    return (templates or Templates()).steps(validated(StoryRequest, document), SHAPE)


def test_each_scene_has_its_steps_and_the_film_takes_them_all() -> None:
    made = steps(STORY)
    assert list(made) == ["scene-1", "speech-2", "video-2", "scene-2", "speech-3", "scene-3", "film"]
    assert made["film"].inputs == {
        "clips": ("scene-1.clip", "scene-2.clip", "scene-3.clip"),
        "speech": ("speech-2.speech", "speech-3.speech"),
        "timings": ("speech-2.timings", "speech-3.timings"),
        "music": "s3://bucket/music.mp3",
    }
    assert made["film"].parameters == {"transitions": [0, 0.5], "speech_clips": [1, 2], "subtitles": "file"}
    assert made["scene-3"].inputs == {"image": "https://example.com/a.png", "speech": "speech-3.speech"}
    assert made["scene-3"].parameters == {"width": 64, "height": 48, "fps": 8, "seconds": 3}


def test_what_a_request_says_stays_text() -> None:
    made = steps(STORY)
    assert made["scene-1"].parameters["text"] == 'It says "hello": {{ 7 * 7 }}'
    assert made["video-2"].parameters == {"prompt": "a red circle\n# not a comment", "model": "tiny"}


def test_an_unknown_template_is_named_with_those_that_are_known() -> None:
    with pytest.raises(InvalidRequest, match=r"film.template: there is none named news; known: film"):
        steps(STORY | {"film": {"template": "news"}})


@pytest.mark.parametrize("text", ["{{ scenes[0].colour }}", "a: [", "film: {uses: 3}", "{% for %}", "- a"])
def test_a_template_that_makes_no_steps_is_a_fault_of_the_operator(tmp_path: Path, text: str) -> None:
    (tmp_path / "film.yaml.j2").write_text(text)
    with pytest.raises(ConfigurationError, match="the template film makes no steps"):
        steps(STORY, Templates(tmp_path))
