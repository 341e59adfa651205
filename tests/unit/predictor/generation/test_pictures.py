"""The predictor reads the pictures of a spec from S3, and only those that were stored with the job."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import pytest

from eventing.contract.errors import BrokenPicture
from eventing.contract.records.models import GenerationSpec
from eventing.contract.records.pictures import Fit, Picture
from eventing.contract.storage.s3 import Bucket
from predictor.generation.monitor import Monitor
from predictor.generation.pictures import read_pictures
from tests.support.builders import make_job
from tests.support.pictures import RED, picture, pixel


def stored(bucket: Bucket, file: bytes, **changes: Any) -> GenerationSpec:
    """A spec of 64x64 whose first frame is this file in S3, with a record that may be wrong."""
    key = f"jobs/{secrets.token_hex(8)}/inputs/a/image.png"
    bucket.put(key, file, "image/png")
    fields: dict[str, Any] = {
        "uri": bucket.uri(key), "sha256": hashlib.sha256(file).hexdigest(), "bytes": len(file), "width": 64,
        "height": 64, "fit": Fit.crop, "source_width": 128, "source_height": 64, "source_sha256": "",
    }  # fmt: skip
    spec: GenerationSpec = make_job().video
    return spec.model_copy(update={"image": Picture(**fields | changes), "strength": 0.5})


def test_the_picture_of_the_spec(bucket: Bucket) -> None:
    spec = stored(bucket, picture())
    pictures = read_pictures(spec, bucket, Monitor("tiny", 60))
    assert pictures.image is not None and pixel(pictures.image, 5, 32) == RED
    assert (pictures.last_image, pictures.strength, str(pictures.task)) == (None, 0.5, "image")
    assert spec.image and spec.image.remark("image") == "the image of 128x64 was cropped to fit 64x64"


@pytest.mark.parametrize(
    ("file", "changes", "words"),
    [
        (picture(), {"uri": "s3://elsewhere/a.png"}, "must be a file of up to"),
        (picture(), {"bytes": 1 << 30}, "must be a file of up to"),
        (picture(), {"sha256": "0" * 64}, "is not the one that was stored"),
        (picture(), {"bytes": 7}, "is not the one that was stored"),
        (picture((32, 32)), {}, "it must have the video's size, 64x64"),
        (picture(form="JPEG"), {}, "is not a PNG"),
    ],
)
def test_another_file_is_refused(bucket: Bucket, file: bytes, changes: Any, words: str) -> None:
    with pytest.raises(BrokenPicture, match=words):
        read_pictures(stored(bucket, file, **changes), bucket, Monitor("tiny", 60))


def test_a_picture_that_is_gone_is_said(bucket: Bucket) -> None:
    spec = stored(bucket, picture())
    assert spec.image
    bucket.delete(bucket.key(spec.image.uri))
    with pytest.raises(BrokenPicture, match="is no longer at"):
        read_pictures(spec, bucket, Monitor("tiny", 60))
