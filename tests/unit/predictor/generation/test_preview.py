"""A preview is a small JPEG, and less important than the video."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from eventing.contract.codecs.stream import PREVIEW_BYTES
from predictor.generation.preview import to_jpeg


@pytest.mark.parametrize(("height", "width", "size"), [(32, 48, (48, 32)), (270, 480, (160, 90))])
def test_a_preview_is_small_whatever_it_shows(height: int, width: int, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    jpeg = to_jpeg(noise)
    assert len(jpeg) <= PREVIEW_BYTES
    with Image.open(io.BytesIO(jpeg)) as image:
        assert (image.format, image.size) == ("JPEG", size)
