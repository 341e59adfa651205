"""Everything wrong in a catalog folder is said when it is read, with the file and the key."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from eventing.contract.catalog import HERE, load_catalog
from eventing.contract.errors import ConfigurationError

TINY = (HERE / "tiny.yaml").read_text(encoding="utf-8")
ENGINE = (
    TINY.replace("family: cogvideox", "family: openai-video").replace("text: CogVideoXPipeline", "text: auto")
    + "engine: { model: m, dialect: sglang }\n"
)


def refused(folder: Path) -> str:
    with pytest.raises(ConfigurationError) as refusal:
        load_catalog(folder)
    assert refusal.value.field == "REELZERO_CATALOG_DIR"
    return refusal.value.message


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("name: mine\n", "title: Field required; family: Field required"),
        (TINY + "stepz: 3\n", "stepz: unknown field"),
        (TINY + "fps: 9\n", "the key 'fps' is repeated"),
        (TINY.replace("{ steps: 2,", "{ steps: 2, steps: 3,"), "the key 'steps' is repeated"),
        (TINY.replace("[128, 128]", "[120, 128]"), "sizes: 120x128 must have sides that are multiples of 16"),
        (TINY + "max_guidance: 0.5\n", "quality.high.guidance: must be at most max_guidance, 0.5"),
        (TINY + "min_steps: 3\n", "quality.low.steps: must be at least min_steps, 3"),
        (TINY + "bundled: ../../etc\n", "bundled: "),
        (TINY + "bundled: /etc\n", "bundled: "),
        (TINY.replace("min: 9", "min: 10"), "frames: frames.min must be 8k+1 within min..max"),
        (TINY.replace("text: CogVideoXPipeline", "text: os.system"), "tasks.text: "),
        (TINY.replace("{ text: CogVideoXPipeline }", "{}"), "tasks: must name a pipeline"),
        (TINY.replace("family: cogvideox", "family: openai-video"), "engine: must be there for the family"),
        (TINY + "engine: { model: m, dialect: sglang }\n", "engine: must be there for the family"),
        (TINY + "engine: { model: m, dialect: sora }\n", "engine.dialect: "),
        (ENGINE.replace("{ steps: 2,", "{ flow_shift: 5, steps: 2,"), "quality.low: the family openai-video"),
        (ENGINE.replace("{ text: auto }", "{ first_last: auto }"), "tasks: the family openai-video takes"),
        (TINY + "engine: { model: m, dialect: sglang, url: 'file:///x' }\n", "engine.url: "),
        (TINY + "engine: { model: m, dialect: sglang, url: 'http://e/?a' }\n", "without ? and #"),
        ("- a list\n", "the entry: must be a JSON object"),
        ("a: [", "mine.yaml"),
        ("&a [*a, *a]\n", "mine.yaml"),
    ],
)
def test_what_is_wrong_in_an_entry_is_named(tmp_path: Path, wrong: str, words: str) -> None:
    (tmp_path / "mine.yaml").write_text(wrong, encoding="utf-8")
    message = refused(tmp_path)
    assert str(tmp_path / "mine.yaml") in message
    assert words in message


def test_two_mistakes_are_both_named(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(TINY.replace("fps: 8", "fps: 0").replace("gpus: 0", "gpus: -1"))
    message = refused(tmp_path)
    assert "fps: " in message
    assert "gpus: " in message


def test_text_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(TINY.replace("noise", "bruit é").encode("latin-1"))
    assert "mine.yaml is not valid: the text is not UTF-8" in refused(tmp_path)


def test_two_entries_of_one_name_are_named(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(TINY)
    message = refused(tmp_path)
    assert str(tmp_path / "a.yaml") in message
    assert str(tmp_path / "b.yaml") in message


def test_a_folder_that_is_missing_or_holds_no_entry_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path / 'absent'} is missing" in refused(tmp_path / "absent")
    (tmp_path / "mine.yml").write_text(TINY)
    assert f"{tmp_path} holds no *.yaml file" in refused(tmp_path)


def test_an_operators_entry_replaces_the_packages(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(TINY.replace("fps: 8", "fps: 12"))
    catalog = load_catalog(tmp_path)
    assert catalog.get("tiny").fps == 12
    assert set(catalog.names()) == set(load_catalog().names())


def test_an_entry_written_before_there_were_tasks_makes_videos_from_text(tmp_path: Path) -> None:
    fields = yaml.safe_load(TINY)
    del fields["tasks"], fields["sides"]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(fields | {"name": "mine", "family": "my_own"}))
    entry = load_catalog(tmp_path).get("mine")
    assert entry.inputs == {"prompt": "required", "negative_prompt": "optional"}


def test_an_adapter_for_a_model_of_an_engine_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ENGINE, encoding="utf-8")
    lora = {
        "kind": "lora",
        "name": "style",
        "title": "x",
        "models": ["tiny"],
        "folder": "/x",
        "licence": "MIT",
    }
    (tmp_path / "b.yaml").write_text(yaml.safe_dump(lora | {"file": "x.safetensors"}), encoding="utf-8")
    assert "models.0: tiny is a model of an engine, which gets no adapters" in refused(tmp_path)
