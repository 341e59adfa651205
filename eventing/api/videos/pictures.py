"""Read the pictures of the video dialects: an address in several forms, and the first and the last frame."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from eventing.contract.errors import InvalidRequest
from eventing.contract.records.loras import from_text
from eventing.contract.records.models import Incoming
from eventing.contract.records.pictures import PictureAddress

FRAMES = {"first_frame": "image", "last_frame": "last_image"}  # of a dialect, and of a job request
EXAMPLE = '[{"type": "image_url", "image_url": {"url": "https://…"}, "frame_type": "first_frame"}]'


def _address(value: Any) -> Any:
    """Return the address in `{"image_url": …}` and in `{"url": …}`, whose values may be nested."""
    for name in ("image_url", "url"):
        if isinstance(value, dict) and set(value) == {name}:
            value = value[name]
    return value


Reference = Annotated[PictureAddress, BeforeValidator(_address)]
in_text = BeforeValidator(partial(from_text, example=EXAMPLE))  # a form has no other way to send a list


class FrameImage(Incoming):
    """One picture of `frame_images`."""

    type: Literal["image_url"] = "image_url"
    image_url: Reference
    frame_type: Literal["first_frame", "last_frame"] = "first_frame"


FrameImages = Annotated[tuple[FrameImage, ...], Field(max_length=2, fail_fast=True), in_text]


def single(sent: Iterable[tuple[str, str, str | None]]) -> dict[str, str]:
    """Return addresses by field, from (field of the job, field of the dialect, address).

    Raises InvalidRequest for a picture that was sent twice.
    """
    pictures: dict[str, str] = {}
    for field, parameter, address in sent:
        if address is not None and field in pictures:
            raise InvalidRequest(f"{parameter}: the {field} must be sent once", field=parameter)
        if address is not None:
            pictures[field] = address
    return pictures


def of_frames(frames: Iterable[FrameImage]) -> list[tuple[str, str, str | None]]:
    """Return the pictures of `frame_images` for `single`."""
    return [(FRAMES[frame.frame_type], "frame_images", frame.image_url) for frame in frames]
