"""Weights are in the page cache after they were read ahead; what cannot be read ahead is left to the load."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from predictor import read_ahead

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what is in the page cache")
SIZE = 9 << 20


def weights(folder: Path) -> Path:
    """Write a file of weights into a component's folder and take it out of the page cache."""
    file = folder / "vae" / "model.safetensors"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(os.urandom(SIZE))
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if read_ahead.is_cached(opened.fileno(), 1 << 20):  # a look makes Linux read on from there
            pytest.skip(f"needs a file system with a page cache under {folder}: set TMPDIR to a disk")
    return file


def cached(file: Path) -> list[bool]:
    with file.open("rb") as opened:
        return [read_ahead.is_cached(opened.fileno(), offset) for offset in (0, SIZE // 2, SIZE - 1)]


def test_weights_are_cached_after_they_were_read_and_are_read_once(tmp_path: Path) -> None:
    file = weights(tmp_path)
    (tmp_path / "vae" / "gone.safetensors").symlink_to(tmp_path / "nowhere")
    assert read_ahead.read(tmp_path) == 0, "a link to nothing is the load's to name"
    (tmp_path / "vae" / "gone.safetensors").unlink()
    assert read_ahead.read(tmp_path) >= read_ahead.CHUNK
    assert all(cached(file))
    assert read_ahead.read(tmp_path) == 0


def test_weights_that_do_not_fit_into_the_container_are_left_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights(tmp_path)
    monkeypatch.setattr(read_ahead, "CGROUP", tmp_path)
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.max").write_text(f"{SIZE}\n")
    assert read_ahead.read(tmp_path) == 0
    (tmp_path / "memory.max").write_text("max\n")
    assert read_ahead.read(tmp_path) >= read_ahead.CHUNK


def test_a_folder_that_is_not_there_yet_is_no_trouble(tmp_path: Path) -> None:
    assert read_ahead.read(tmp_path / "away") == 0
    read_ahead.begin(None)
