"""The bytes of a file show its media type, whatever its name."""

from __future__ import annotations

import io
import wave

import pytest
from PIL import Image

from eventing.stories.magic import media_type


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4)).save(out, kind)
    return out.getvalue()


def sound() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16))
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "media"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("GIF", "image/gif"), ("WEBP", "image/webp"),
     ("BMP", "image/bmp"), ("TIFF", "image/tiff")],
)  # fmt: skip
def test_pictures(kind: str, media: str) -> None:
    assert media_type(picture(kind)) == media


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (sound(), "audio/wav"),
        (b"\x00\x00\x00\x20ftypisom", "video/mp4"),
        (b"\x00\x00\x00\x20ftypM4A ", "audio/mp4"),
        (b"ID3\x04rest", "audio/mpeg"),
        (b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"WEBVTT\n\n", "text/vtt"),
        (b' {"a": 1}', "application/json"),
        (b"{not json", "text/plain"),
        ("Grüße".encode(), "text/plain"),
        (b"\x00\x01", "application/octet-stream"),
        (b"\xff\xfe\x00", "application/octet-stream"),
        (b"[" * 100_000, "text/plain"),
    ],
)
def test_other_files(body: bytes, media: str) -> None:
    assert media_type(body) == media
