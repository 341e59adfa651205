"""The step types in the box agree with their modules and the template; what is wrong in a file is named."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from config import step_types
from eventing.contract.catalog import load_catalog
from eventing.contract.codecs.validation import validated
from eventing.contract.errors import ConfigurationError, InvalidRequest
from eventing.contract.records.models import VideoRequest
from eventing.contract.stories.catalog import HERE, load_step_types
from eventing.contract.stories.document import StoryRequest
from eventing.contract.stories.graph import Shape, Video, check
from eventing.contract.stories.scenes import Templates
from eventing.contract.stories.types import Builtin
from steps import __main__ as box
from tests.unit.eventing.contract.stories.test_scenes import STORY

TITLE = (HERE / "title.yaml").read_text(encoding="utf-8")


def test_every_step_in_the_box_has_its_type() -> None:
    types = load_step_types()
    assert types.names() == box.names() == list(types)
    for name, kind in types.items():
        assert isinstance(kind.run, Builtin)
        assert (kind.name, kind.run.module) == (name, name)


@pytest.mark.parametrize("path", step_types.files(), ids=lambda path: path.stem)
def test_parameters_are_those_of_the_module(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert step_types.with_parameters(text) == text, "run: python -m config.step_types"


def test_the_steps_of_a_template_fit_their_types() -> None:
    story = validated(StoryRequest, STORY)
    spec = load_catalog().get("tiny").resolve(VideoRequest(prompt="a"))
    requests = Templates().steps(story, Shape(64, 48, Fraction(8)))
    steps = check(requests, load_step_types(), lambda _fields, _pictures: Video(spec, 2))
    assert steps[-1].shapes == {"film": Shape(64, 48, Fraction(8))}


def test_an_operators_file_adds_a_type_or_replaces_one(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(TITLE.replace("version: 1", "version: 7"))
    (tmp_path / "b.yaml").write_text(TITLE.replace("name: title", "name: opening"))
    types = load_step_types(tmp_path)
    assert (types["title"].version, types["opening"].run) == (7, types["title"].run)
    assert set(types.names()) == {*load_step_types().names(), "opening"}


def test_a_folder_may_hold_templates_only(tmp_path: Path) -> None:
    (tmp_path / "news.yaml.j2").write_text("film: {uses: film}")
    assert load_step_types(tmp_path).names() == load_step_types().names()


def test_an_unknown_type_is_named_with_those_that_are_known() -> None:
    with pytest.raises(InvalidRequest, match="unknown step type 'dance'; known here: concat, film, fit"):
        load_step_types().require("dance")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TITLE.replace("name: title", "name: video"), "name: video is the step that a model"),
        (TITLE.replace("name: title", "name: Big Title"), "name: "),
        (TITLE.replace("seconds: 2\n", "seconds: -2\n"), "seconds: Input should be greater than 0"),
        (TITLE.replace("version: 1", "version: 1\nversion: 2"), "the key 'version' is repeated"),
        (TITLE + "colour: red\n", "colour: "),
        (TITLE.replace("shape: parameters", "shape: inputs.clip"), "outputs.clip.shape: must be parameters"),
        (TITLE.replace("[audio/*]", "[sound]"), "inputs.speech.media"),
        (TITLE.replace("type: object", "type: objekt"), "parameters: is no JSON Schema"),
        (TITLE.replace("module: title", "module: dance"), "run.module: there is no builtin step dance"),
        (TITLE.replace("kind: builtin", "kind: magic"), "run: "),
        ("- a\n", "the step type: must be a JSON object"),
        ("a: [", "mine.yaml"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_step_types(tmp_path)
    assert str(tmp_path / "mine.yaml") in caught.value.message
    assert words in caught.value.message
    assert caught.value.field == "REELZERO_STEPS_DIR"


def test_two_files_cannot_have_one_name(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(TITLE)
    with pytest.raises(ConfigurationError, match=r"b.yaml is not valid: name: .*a.yaml has title too"):
        load_step_types(tmp_path)


def test_a_folder_without_files_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ConfigurationError, match="the folder of step types"):
            load_step_types(folder)


def test_reading_types_needs_none_of_the_steps() -> None:
    code = (
        "import sys; from eventing.contract.stories.catalog import load_step_types; load_step_types();"
        "print([m for m in ('steps', 'av', 'numpy') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
