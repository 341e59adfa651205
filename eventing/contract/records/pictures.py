"""Define pictures that a video starts or ends with: their address in a request, and their record in a spec.

A request names a picture by its address. eventing fetches it once and stores it as a PNG of the video's size,
without metadata. The spec names that file, so every attempt starts from the same pixels.
"""

from __future__ import annotations

import base64
import hashlib
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from eventing.contract.records.frozen import Frozen

FIELDS = ("image", "last_image")  # of requests and specs
SCHEMES = ("https://", "http://", "s3://", "data:")
LONGEST = 8192  # characters of an address that is not the picture itself
INLINE = "data:;base64,"


class Fit(StrEnum):
    """How a picture of another shape than the video's becomes as large as the video."""

    crop = "crop"  # enlarged or reduced until it covers the frame; what stands out is cut off evenly
    pad = "pad"  # enlarged or reduced until it is inside the frame; black bars fill the rest
    stretch = "stretch"  # both sides by their own factor


def _is_address(text: str) -> str:
    if not text.startswith(SCHEMES):
        raise ValueError("must be an https://, s3:// or data: address, or a file in a multipart form")
    if not text.startswith("data:") and len(text) > LONGEST:
        raise ValueError(f"an address may have {LONGEST} characters at most")
    if not text.startswith("data:") and any(character <= " " or character in "\x7f\\" for character in text):
        raise ValueError("must not contain spaces, control characters or backslashes: percent-encode them")
    return text


PictureAddress = Annotated[
    str, AfterValidator(_is_address), Field(min_length=1, json_schema_extra={"format": "uri"})
]
Strength = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Picture(Frozen):
    """A picture as the predictor reads it: a PNG of the video's size in S3."""

    uri: str = Field(description="s3://bucket/key")
    sha256: str
    bytes: int
    width: int
    height: int
    fit: Fit = Field(description="How it became as large as the video.")
    source_width: int = Field(description="Pixels, upright, before it was fitted.")
    source_height: int
    source_sha256: str = Field(description="Of the file as it came.")

    def remark(self, field: str) -> str | None:
        """Say what the fit changed; None if it kept every part of the picture and its shape."""
        if self.source_width * self.height == self.source_height * self.width:
            return None
        changes = {Fit.crop: "cropped", Fit.pad: "padded with black", Fit.stretch: "stretched"}
        size = f"{self.source_width}x{self.source_height}"
        return f"the {field} of {size} was {changes[self.fit]} to fit {self.width}x{self.height}"


def inline(file: bytes) -> str:
    """Return the data: address of a file."""
    return INLINE + base64.b64encode(file).decode()


def fingerprint(address: Any) -> Any:
    """Return a short stand-in for a picture that is inside a request; any other address as it is."""
    if not isinstance(address, str) or not address.startswith("data:"):
        return address
    return "data:sha256:" + hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()
