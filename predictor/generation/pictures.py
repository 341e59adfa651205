"""Read the pictures of a spec from S3: the PNGs that eventing stored, compared with their records."""

from __future__ import annotations

import hashlib
import io

from PIL import Image

from eventing.contract.errors import BrokenPicture
from eventing.contract.records.models import GenerationSpec
from eventing.contract.records.pictures import Picture
from eventing.contract.storage.s3 import Bucket
from eventing.contract.telemetry import span
from predictor.generation.monitor import Monitor
from predictor.generation.result_store import patiently
from predictor.models.pipelines import NO_PICTURES, Pictures

PATIENCE = 60.0  # seconds that S3 may be away before the attempt fails, to be tried again
LARGEST = 64 << 20  # bytes


def read_pictures(spec: GenerationSpec, bucket: Bucket | None, monitor: Monitor) -> Pictures:
    """Return the pictures that a video starts and ends with. Raises StorageError, BrokenPicture."""
    if bucket is None or not spec.pictures():
        return NO_PICTURES
    images = {}
    for field, picture in spec.pictures().items():
        with span("fetch_input", attributes={"reelzero.field": field, "reelzero.bytes": picture.bytes}):
            images[field] = _read(field, picture, spec, bucket, monitor)
    return Pictures(**images, strength=spec.strength)


def _read(
    field: str, picture: Picture, spec: GenerationSpec, bucket: Bucket, monitor: Monitor
) -> Image.Image:
    key = picture.uri.removeprefix(bucket.uri(""))
    if key == picture.uri or not 0 < picture.bytes <= LARGEST:
        raise BrokenPicture(f"the {field} must be a file of up to {LARGEST} bytes in {bucket.uri('')}")
    body = patiently(lambda: _bytes(bucket, key, picture.bytes), monitor, PATIENCE)
    if body is None:
        raise BrokenPicture(f"the {field} is no longer at {picture.uri}; submit the job again")
    if len(body) != picture.bytes or hashlib.sha256(body).hexdigest() != picture.sha256:
        raise BrokenPicture(f"the {field} at {picture.uri} is not the one that was stored with the job")
    return _decoded(field, body, spec)


def _bytes(bucket: Bucket, key: str, size: int) -> bytes | None:
    """Return an object, or one byte more than the size if it is longer."""
    stream = bucket.open(key, 0, size)
    if stream is None:
        return None
    with stream:
        return bytes(stream.read())


def _decoded(field: str, body: bytes, spec: GenerationSpec) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(body), formats=("PNG",))
    except OSError as error:
        raise BrokenPicture(f"the {field} is not a PNG") from error
    if image.size != (spec.width, spec.height):
        raise BrokenPicture(
            f"the {field} has {image.width}x{image.height} pixels; it must have the video's size, "
            f"{spec.width}x{spec.height}"
        )
    return image.convert("RGB")
