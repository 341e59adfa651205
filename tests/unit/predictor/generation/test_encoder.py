"""The encoder works beside the device, writes what one pass writes, and ends with its attempt."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from eventing.contract.catalog import CatalogEntry
from eventing.contract.errors import Cancelled
from eventing.contract.records.models import GenerationSpec
from predictor.generation.video.encoder import Encoder
from predictor.generation.video.mp4 import write_mp4
from predictor.generation.video.stills import Frames
from tests.unit.predictor.running import SOON, attempt


def nothing() -> None:
    """Never stop."""


@pytest.fixture
def spec(entry: CatalogEntry) -> GenerationSpec:
    return attempt(entry, num_frames=25).spec


def noise(spec: GenerationSpec) -> Frames:
    shape = (spec.num_frames, spec.height, spec.width, 3)
    return np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)


@pytest.mark.parametrize("sizes", [[1] * 25, [9, 16], [25]])
def test_chunks_of_any_size_make_the_same_file(
    spec: GenerationSpec, tmp_path: Path, sizes: list[int]
) -> None:
    frames = noise(spec)
    with Encoder(spec, tmp_path / "chunks.mp4", nothing, None) as encoder:
        for chunk in np.split(frames, np.cumsum(sizes)[:-1]):
            encoder.take(chunk)
        encoder.finish()
    write_mp4(frames, spec.fps, tmp_path / "whole.mp4", nothing)
    assert (tmp_path / "chunks.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_frames_are_encoded_before_the_last_one_is_there(spec: GenerationSpec, tmp_path: Path) -> None:
    frames, encoded = noise(spec), threading.Semaphore(0)
    with Encoder(spec, tmp_path / "video.mp4", encoded.release, None) as encoder:
        encoder.take(frames[:9])
        assert all(encoded.acquire(timeout=SOON) for _ in range(9))
        encoder.take(frames[9:])
        encoder.finish()


def test_what_ends_the_encoding_ends_the_decode(spec: GenerationSpec, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Encoder(spec, tmp_path / "file" / "video.mp4", nothing, None) as encoder, pytest.raises(OSError):
        while True:
            encoder.take(noise(spec))


def test_an_attempt_that_ends_early_leaves_no_thread(spec: GenerationSpec, tmp_path: Path) -> None:
    with pytest.raises(Cancelled), Encoder(spec, tmp_path / "video.mp4", nothing, None) as encoder:
        encoder.take(noise(spec)[:9])
        raise Cancelled("enough")
    assert not [thread for thread in threading.enumerate() if thread.name == "encode"]
