"""Requests against the catalog: defaults filled, limits named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventing.contract.catalog import HERE, FrameRule, load_catalog
from eventing.contract.errors import InvalidRequest
from eventing.contract.records.models import VideoRequest
from eventing.contract.records.pictures import FIELDS

CATALOG = load_catalog()
REAL = ["cogvideox-2b", "cogvideox-5b", "ltx-video", "mochi-1-preview", "wan2.1-t2v-1.3b"]


@pytest.mark.parametrize("name", CATALOG.names())
def test_every_entry_resolves_its_own_defaults(name: str) -> None:
    entry = CATALOG.get(name)
    needs = {name: "https://x.test/a.png" for name in FIELDS if entry.inputs.get(name) == "required"}
    spec = entry.resolve(VideoRequest(prompt="x", **needs))
    assert (spec.width, spec.height) == entry.sizes[0]
    assert (spec.num_frames, spec.fps) == (entry.frames.default, entry.fps)
    assert spec.num_inference_steps == entry.quality.medium.steps


@pytest.mark.parametrize("name", REAL)
def test_the_big_models_name_a_repository_and_a_gpu(name: str) -> None:
    entry = CATALOG.get(name)
    assert entry.repository and "/" in entry.repository and entry.gpus >= 1


@pytest.mark.parametrize(
    "asked, field, words",
    [
        ({"width": 100}, "width", "it makes 64x64, 128x128"),
        ({"width": 64, "height": 128}, "height", "64x128"),
        ({"num_frames": 10}, "num_frames", "nearest: 9"),
        ({"num_frames": 57}, "num_frames", "from 9 to 49"),
    ],
)
def test_what_a_model_cannot_do_names_the_field_and_what_it_can(
    asked: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        CATALOG.get("tiny").resolve(VideoRequest(prompt="x", **asked))
    assert caught.value.field == field


def test_an_entry_has_the_time_that_it_names_or_that_of_its_file(tmp_path: Path) -> None:
    text = (HERE / "tiny.yaml").read_text()
    (tmp_path / "dated.yaml").write_text(text.replace("name: tiny", "name: dated\ncreated: 1722902400"))
    (tmp_path / "plain.yaml").write_text(text.replace("name: tiny", "name: plain"))
    os.utime(tmp_path / "plain.yaml", (1.0, 1700000000.5))
    catalog = load_catalog(tmp_path)
    assert catalog.get("dated").created == 1722902400
    assert catalog.get("plain").created == 1700000000


def test_one_side_of_the_size_is_enough() -> None:
    assert CATALOG.get("tiny").resolve(VideoRequest(prompt="x", height=128)).width == 128


def test_tiers_and_overrides() -> None:
    entry = CATALOG.get("cogvideox-2b")
    assert (
        entry.resolve(VideoRequest(prompt="x", quality="low")).num_inference_steps == entry.quality.low.steps
    )
    spec = entry.resolve(VideoRequest(prompt="x", num_inference_steps=3, guidance_scale=0.0))
    assert (spec.num_inference_steps, spec.guidance_scale) == (3, 0.0)


def test_a_model_that_needs_no_guidance_says_so() -> None:
    entry = CATALOG.get("shapes-tiny")
    assert entry.resolve(VideoRequest(prompt="x", guidance_scale=1.0)).guidance_scale == 1.0
    with pytest.raises(InvalidRequest, match="it takes 0 to 1") as caught:
        entry.resolve(VideoRequest(prompt="x", guidance_scale=6.0))
    assert caught.value.field == "guidance_scale"


def test_a_seed_is_drawn_once_and_a_given_one_kept() -> None:
    entry = CATALOG.get("tiny")
    assert entry.resolve(VideoRequest(prompt="x", seed=0)).seed == 0
    assert len({entry.resolve(VideoRequest(prompt="x")).seed for _ in range(8)}) > 1


def test_an_unknown_model_is_named_with_the_known_ones() -> None:
    with pytest.raises(InvalidRequest, match="known here: cogvideox-2b"):
        CATALOG.get("sora")


@given(st.floats(-10, 1000), st.integers(1, 12))
def test_the_nearest_frame_count_is_allowed_and_nothing_allowed_is_nearer(
    asked: float, multiple: int
) -> None:
    rule = FrameRule(multiple=multiple, min=multiple + 1, max=multiple * 20 + 1, default=multiple + 1)
    assert rule.offset == 1
    nearest = rule.nearest(asked)
    assert rule.allows(nearest)
    allowed = [n for n in range(1, rule.max + 1) if rule.allows(n)]
    assert abs(nearest - asked) <= min(abs(n - asked) for n in allowed) + 1e-9
