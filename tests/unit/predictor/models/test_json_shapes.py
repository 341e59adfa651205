"""JSON of any shape in a model folder gives ModelUnavailable naming the file, and no other error."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventing.contract.catalog import load_catalog
from eventing.contract.errors import ModelUnavailable
from eventing.contract.prompts import Vocabulary
from eventing.contract.storage.weights import check_folder, check_safetensors
from predictor.device.worker import State, Worker
from predictor.models.loading import load_model
from predictor.settings import PredictorSettings
from tests.unit.predictor.running import until

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["../up", "a/b", "/etc/passwd", "..", ".", "", "\x00", "a" * 300, "\ud800", "ä"])
OBJECTS = [
    "transformer/config.json",
    "scheduler/scheduler_config.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/tokenizer.json",
    "vae/config.json",
]
SHARDED = "vae/diffusion_pytorch_model.safetensors.index.json"


@pytest.fixture(scope="module")
def folder(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy whose JSON files a test may replace; each puts back what it replaced."""
    yield Path(shutil.copytree(folders["cogvideox"], tmp_path_factory.mktemp("shapes") / "weights"))


def refused(folder: Path, name: str, text: str) -> None:
    """With this text in this file, the folder is refused by the file's name."""
    path = folder / name
    before = path.read_bytes() if path.exists() else None
    path.write_text(text)
    try:
        with pytest.raises(ModelUnavailable) as refusal:
            check_folder(folder)
        assert str(path) in refusal.value.message
        refusal.value.message.encode()  # it must fit into an answer
    finally:
        path.unlink() if before is None else path.write_bytes(before)


def accepted_or_refused(folder: Path, name: str, text: str) -> None:
    path = folder / name
    before = path.read_bytes() if path.exists() else None
    path.write_text(text)
    try:
        check_folder(folder)
    except ModelUnavailable as refusal:
        refusal.message.encode()
    finally:
        path.unlink() if before is None else path.write_bytes(before)


@settings(deadline=None)
@given(value=VALUES.filter(lambda value: not isinstance(value, dict)))
@pytest.mark.parametrize("name", [*OBJECTS, "model_index.json", SHARDED])
def test_a_file_that_is_no_object_is_named(folder: Path, name: str, value: Any) -> None:
    refused(folder, name, json.dumps(value))


@settings(deadline=None)
@given(kind=VALUES, name=st.sampled_from(["vae", "extra"]) | NAMES)
def test_a_component_of_any_shape_is_taken_or_named(folder: Path, kind: Any, name: str) -> None:
    accepted_or_refused(folder, "model_index.json", json.dumps({name: kind}))


@pytest.mark.parametrize("kind", [[], ["diffusers"], [None], [1, 2], ["a", None], ["a", "b", "c"], [[], {}]])
def test_a_component_without_library_and_class_is_named(folder: Path, kind: Any) -> None:
    refused(folder, "model_index.json", json.dumps({"vae": kind}))


@settings(deadline=None)
@given(name=NAMES)
def test_a_component_outside_the_folder_is_refused(folder: Path, name: str) -> None:
    refused(folder, "model_index.json", json.dumps({name: ["diffusers", "Model"]}))


@settings(deadline=None)
@given(weight_map=VALUES)
def test_an_index_of_any_shape_is_named(folder: Path, weight_map: Any) -> None:
    accepted_or_refused(folder, SHARDED, json.dumps({"weight_map": weight_map}))


@settings(deadline=None)
@given(shard=NAMES | VALUES.filter(lambda value: not isinstance(value, str)))
def test_a_shard_that_is_no_plain_name_is_refused(folder: Path, shard: Any) -> None:
    refused(folder, SHARDED, json.dumps({"weight_map": {"a": shard}}))


@pytest.mark.parametrize("name", [*OBJECTS, "model_index.json", SHARDED])
def test_json_that_is_nested_without_end_is_named(folder: Path, name: str) -> None:
    refused(folder, name, "[" * 100_000 + "]" * 100_000)


def is_empty(offsets: Any) -> bool:
    """Whether a tensor of no bytes has these offsets: such a file is whole."""
    return isinstance(offsets, list) and len(offsets) == 2 and offsets[1] == 0


OFFSETS = VALUES.filter(lambda value: not is_empty(value))


@settings(deadline=None)
@given(header=VALUES | st.fixed_dictionaries({"t": st.fixed_dictionaries({"data_offsets": OFFSETS})}))
def test_a_safetensors_header_of_any_shape_is_named(tmp_path_factory: Any, header: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "header.safetensors"
    body = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(body)) + body)
    with pytest.raises(ModelUnavailable, match=r"header\.safetensors is corrupt"):
        check_safetensors(path)


@settings(deadline=None)
@given(value=VALUES)
def test_a_vocabulary_of_any_shape_is_taken_or_named(tmp_path_factory: Any, value: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "vocabulary.json"
    path.write_text(json.dumps(value))
    try:
        Vocabulary.read(path.parent)
    except ModelUnavailable as refusal:
        assert str(path) in refusal.message


@pytest.mark.parametrize("error", [RecursionError("deep"), KeyError("a"), ValueError("b")])
async def test_a_load_that_fails_in_any_way_is_not_called_a_generation(error: Exception) -> None:
    def load(_entry: Any, _settings: Any) -> Any:
        raise error

    worker = Worker(load_catalog().get("tiny"), PredictorSettings(), load)
    worker.begin()
    await until(lambda: worker.state is State.failed)
    assert worker.cause.startswith(f"tiny could not be loaded: {type(error).__name__}")


def test_an_empty_index_is_unavailable_with_its_folder(folder: Path) -> None:
    index = folder / "model_index.json"
    before = index.read_bytes()
    index.write_text("{}")
    try:
        with pytest.raises(ModelUnavailable) as refusal:
            load_model(load_catalog().get("tiny"), PredictorSettings(model_dir=folder, device="cpu"))
        assert str(folder) in refusal.value.message
    finally:
        index.write_bytes(before)
