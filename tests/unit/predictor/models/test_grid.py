"""What a model would round is refused: in the catalog entry at load, in a request before the device works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eventing.contract.catalog import CatalogEntry, FrameRule
from eventing.contract.codecs.stream import Address
from eventing.contract.errors import InvalidRequest, ModelUnavailable
from eventing.contract.records.models import GenerationSpec
from predictor.device.worker import Worker
from predictor.generation.attempt import Attempt, make_attempt
from predictor.models import tiny
from predictor.models.loading import load_model
from predictor.settings import PredictorSettings
from tests.unit.predictor.conftest import TEMPORAL, entry_of
from tests.unit.predictor.running import until

PIXELS = {
    "cogvideox": 16,
    "mochi": 16,
    "wan": 16,
    "ltx": 32,
    "ltx2": 32,
    "hunyuan15": 16,
}  # of the tiny models
FAMILIES = pytest.mark.parametrize("family", tiny.BUILDERS)


def changed(entry: CatalogEntry, **fields: Any) -> CatalogEntry:
    return CatalogEntry.model_validate(entry.model_dump() | fields)


def load(entry: CatalogEntry, folders: dict[str, Path]) -> Any:
    return load_model(entry, PredictorSettings(model_dir=folders[entry.family], device="cpu"))


@FAMILIES
def test_an_entry_that_allows_frames_the_model_rounds_is_not_loaded(
    family: str, folders: dict[str, Path]
) -> None:
    multiple = TEMPORAL[family]
    rule = FrameRule(multiple=1, min=multiple + 1, max=3 * multiple, default=multiple + 1)
    with pytest.raises(ModelUnavailable, match=rf"allows {multiple + 2} frames.* makes {multiple}k\+1"):
        load(changed(entry_of(family), frames=rule), folders)


@FAMILIES
def test_an_entry_that_allows_a_size_the_model_rounds_is_not_loaded(
    family: str, folders: dict[str, Path]
) -> None:
    pixels = PIXELS[family]
    sizes = ((64, 64), (64, 64 + pixels // 2 + 2))
    with pytest.raises(ModelUnavailable, match=rf"multiples of {pixels}, such as 64x{64 + pixels}"):
        load(changed(entry_of(family), sizes=sizes, sides={"multiple": 2}), folders)


@FAMILIES
def test_an_entry_with_free_sizes_that_the_model_rounds_is_not_loaded(
    family: str, folders: dict[str, Path]
) -> None:
    pixels = PIXELS[family]
    sides = {"multiple": pixels // 2, "min": 64, "max_pixels": 4096}
    with pytest.raises(ModelUnavailable, match=rf"sides of {pixels // 2}.* set sides.multiple to {pixels}"):
        load(changed(entry_of(family), sides=sides), folders)


def test_an_entry_may_allow_less_than_the_model_makes(folders: dict[str, Path]) -> None:
    rule = FrameRule(multiple=16, min=17, max=33, default=17)
    assert load(changed(entry_of("cogvideox"), frames=rule, sizes=((128, 64),)), folders)


@FAMILIES
@pytest.mark.parametrize(("field", "off"), [("num_frames", 1), ("width", 1), ("height", 8)])
async def test_a_request_for_what_the_model_rounds_is_refused_with_the_nearest_values(
    family: str, field: str, off: int, folders: dict[str, Path]
) -> None:
    entry = entry_of(family)
    worker = Worker(entry, PredictorSettings(), lambda entry, _settings: load(entry, folders))
    worker.begin()
    await until(lambda: worker.ready)
    spec = make_attempt(entry, {"prompt": "x"}).spec
    odd = getattr(spec, field) + off
    wrong = GenerationSpec.model_validate(spec.model_dump() | {field: odd})
    with pytest.raises(InvalidRequest, match=f"{odd}.* such as {getattr(spec, field)}") as refusal:
        worker.take(Attempt(spec=wrong, address=Address()))
    assert refusal.value.field == field
    assert not worker.busy
