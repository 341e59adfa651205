"""Entries of adapters: read beside those of models, and held against them with file and key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from eventing.contract.catalog import HERE, load_catalog
from eventing.contract.errors import ConfigurationError
from eventing.contract.records.models import Quality, VideoRequest

TINY = yaml.safe_load((HERE / "tiny.yaml").read_text(encoding="utf-8"))
INK: dict[str, Any] = {
    "kind": "lora", "name": "ink", "title": "Ink", "models": ["tiny"], "folder": "/loras",
    "file": "ink.safetensors", "licence": "MIT",
}  # fmt: skip
TWO = "wan2.2-t2v-a14b"  # has two transformers
REPOSITORY = {"folder": None, "repository": "someone/ink"}


def written(folder: Path, **entries: dict[str, Any]) -> Path:
    for name, entry in entries.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(entry))
    return folder


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "lokr"}, "kind: "),
        ({"file": "../ink.safetensors"}, "file: "),
        ({"file": "/ink.safetensors"}, "file: "),
        ({"file": "a/.hidden/ink.safetensors"}, "file: "),
        ({"file": "ink.pt"}, "file: "),
        ({"folder": "loras"}, "folder: must be an absolute path"),
        ({"folder": None}, "must have either folder or repository"),
        ({"repository": "someone/ink", "revision": "main"}, "must have either folder or repository"),
        (REPOSITORY, "must have a revision with a repository"),
        ({"revision": "main"}, "must have a revision with a repository, and none with a folder"),
        ({"models": []}, "models: "),
        ({"models": ["tiny", "wan3"]}, "models.1: there is no model wan3"),
        (
            {"file_2": "low.safetensors"},
            "file_2: tiny has one transformer, since its tiers have no guidance_2",
        ),
        ({"scale": {"min": 0, "max": 1, "default": 2}}, "scale: must have min ≤ default ≤ max"),
        ({"scael": 1}, "scael: unknown field"),
    ],
)
def test_what_is_wrong_in_an_adapter_is_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load_catalog(written(tmp_path, mine=INK | change))
    assert str(tmp_path / "mine.yaml") in refusal.value.message
    assert words in refusal.value.message


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"name": "inc"}, "quality.turbo.loras.0.name: unknown adapter 'inc'; tiny takes ink"),
        ({"name": "wan2.2-t2v-a14b-4step"}, "is for wan2.2-t2v-a14b, not for tiny"),
        ({"name": "ink", "scale": 2}, "quality.turbo.loras.0.scale: the adapter ink takes a scale of 0 to 1"),
    ],
)
def test_a_tier_with_a_wrong_adapter_is_named(tmp_path: Path, choice: dict[str, Any], words: str) -> None:
    turbo = {"turbo": {"steps": 1, "guidance": 1, "loras": [choice]}}
    model = TINY | {"quality": TINY["quality"] | turbo}
    with pytest.raises(ConfigurationError) as refusal:
        load_catalog(written(tmp_path, ink=INK, model=model))
    assert str(tmp_path / "model.yaml") in refusal.value.message
    assert words in refusal.value.message


def test_two_adapters_of_one_name_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"b.yaml is not valid: name: .*a.yaml has ink too"):
        load_catalog(written(tmp_path, a=INK, b=INK))


def test_a_folder_of_adapters_is_a_catalog(tmp_path: Path) -> None:
    entry = INK | REPOSITORY | {"revision": "main", "file": "low/ink 2.safetensors", "models": [TWO, "tiny"]}
    catalog = load_catalog(written(tmp_path, ink=entry))
    assert set(catalog.get("tiny").loras) == {"ink"}
    assert set(catalog.only({TWO}).get(TWO).loras) == {"ink", "wan2.2-t2v-a14b-4step"}
    assert not load_catalog().get("tiny").loras


def test_an_operators_adapter_replaces_the_packages(tmp_path: Path) -> None:
    own = INK | {"name": "wan2.2-t2v-a14b-4step", "models": [TWO], "file_2": "low.safetensors"}
    lora = load_catalog(written(tmp_path, own=own)).get(TWO).loras["wan2.2-t2v-a14b-4step"]
    assert (lora.folder, lora.file_2, lora.repository) == ("/loras", "low.safetensors", None)


@pytest.mark.parametrize("name", [TWO, "wan2.2-i2v-a14b"])
def test_the_fast_tier_of_wan_has_the_settings_of_its_adapter(name: str) -> None:
    picture = {} if name == TWO else {"image": "https://x.test/a.png"}
    request = VideoRequest.model_validate({"prompt": "x", "quality": Quality.turbo} | picture)
    spec = load_catalog().get(name).resolve(request)
    assert [(lora.name, lora.scale) for lora in spec.loras or ()] == [(f"{name}-4step", 1.0)]
    assert (spec.num_inference_steps, spec.guidance_scale, spec.guidance_scale_2) == (4, 1.0, 1.0)
    assert (spec.flow_shift, spec.negative_prompt) == (5.0, "")
