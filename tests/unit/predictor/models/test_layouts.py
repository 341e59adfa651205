"""Every entry's repository passes the check of its files, and each file that its loader reads is demanded."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import diffusers
import pytest

from eventing.contract.catalog import CatalogEntry, load_catalog
from eventing.contract.errors import ModelUnavailable
from eventing.contract.storage.weights import check_folder
from tests.unit.predictor.models.layouts import LAYOUTS, write

ENTRIES = [entry for entry in load_catalog().entries() if entry.repository]


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_repository_as_it_is_published_passes(name: str, tmp_path: Path) -> None:
    write(tmp_path / "weights", name)
    check_folder(tmp_path / "weights")


@pytest.mark.parametrize("name", ["hunyuanvideo-1.5-i2v", "ltx-2.3", "wan2.2-i2v-a14b"])
def test_a_file_that_the_loader_reads_is_demanded(name: str, tmp_path: Path) -> None:
    for number, path in enumerate(write(tmp_path / "all", name)):
        folder = tmp_path / str(number)
        write(folder, name)
        lost = folder / path.relative_to(tmp_path / "all")
        lost.unlink()
        with pytest.raises(ModelUnavailable, match="is missing") as refusal:
            check_folder(folder)
        assert str(lost) in refusal.value.message or str(lost.parent) in refusal.value.message


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_layout_has_every_part_that_the_pipelines_need(entry: CatalogEntry) -> None:
    for pipeline in entry.tasks.pipelines().values():
        signature = inspect.signature(getattr(diffusers, pipeline).__init__).parameters.values()
        needed = {one.name for one in signature if one.default is one.empty} - {"self"}
        assert needed <= LAYOUTS[entry.name].keys()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_revision_is_a_commit(entry: CatalogEntry) -> None:
    assert re.fullmatch("[0-9a-f]{40}", entry.revision)
