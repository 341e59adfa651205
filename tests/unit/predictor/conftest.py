"""Tiny pipelines of every family, built once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from eventing.contract.catalog import CatalogEntry, FrameRule, load_catalog
from predictor.models import tiny

TEMPORAL = {"cogvideox": 8, "mochi": 6, "wan": 4, "ltx": 4, "ltx2": 4, "hunyuan15": 4}  # of the tiny VAEs


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Weights by family."""
    root = tmp_path_factory.mktemp("tiny")
    for family in tiny.BUILDERS:
        tiny.build(root / family, family)
    return {family: root / family for family in tiny.BUILDERS}


def entry_of(family: str) -> CatalogEntry:
    """The tiny model's entry, for another family."""
    multiple = TEMPORAL[family]
    rule = FrameRule(multiple=multiple, min=multiple + 1, max=6 * multiple + 1, default=multiple + 1)
    entry = load_catalog().get("tiny")
    return CatalogEntry.model_validate(
        entry.model_dump() | {"family": family, "frames": rule, "tasks": {"text": "auto"}}
    )


@pytest.fixture
def entry() -> CatalogEntry:
    return load_catalog().get("tiny")
