"""The examples of docs/stories/README.md are stories, and the change is one of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import yaml

from config.render import ROOT
from eventing.contract.records.models import GenerationSpec
from eventing.contract.stories.catalog import load_step_types
from eventing.contract.stories.graph import Shape, Video, check
from eventing.contract.stories.parsing import parse_story
from eventing.contract.stories.scenes import load_templates
from eventing.stories.revise import revised

PAGE = (ROOT / "docs" / "stories" / "README.md").read_text(encoding="utf-8")


def example(language: str, number: int = 0) -> Any:
    text = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[number]
    return yaml.safe_load(text)


def video(fields: Mapping[str, Any], _: frozenset[str]) -> Video:
    sizes: dict[str, Any] = {"width": 64, "height": 64, "fps": 8, "num_frames": 17}
    spec = GenerationSpec.model_construct(prompt=fields["prompt"], **sizes)
    return Video(spec, 1.0)


def test_the_scenes_become_steps_that_fit() -> None:
    story = parse_story(example("yaml"))
    steps = load_templates().steps(story, Shape(64, 64, Fraction(8)))
    assert [step.name for step in check(steps, load_step_types(), video)][-1] == "film"


def test_the_steps_fit_and_the_change_is_of_the_scenes() -> None:
    story = parse_story(example("json"))
    assert {step.name for step in check(story.steps, load_step_types(), video)} == story.steps.keys()
    change = json.loads(json.dumps(example("yaml", 1)))
    assert revised(example("yaml"), change).scenes[1].prompt == "a green circle moving right"
