"""Tell the kind of a file from its first bytes, so that a wrong one is named before a step works on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

HEAD = 4096
STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\x1a\x45\xdf\xa3", "video/x-matroska"),
    (b"OggS\x00", "video/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3\x02", "audio/mpeg"),
    (b"ID3\x03", "audio/mpeg"),
    (b"ID3\x04", "audio/mpeg"),
    (b"%PDF", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
)
RIFF = {b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo", b"WEBP": "image/webp"}
BRANDS = {
    b"M4A ": "audio/mp4",
    b"avif": "image/avif",
    b"heic": "image/heic",
    b"mif1": "image/heif",
    b"qt  ": "video/quicktime",
}
WITH_SOUND = {"video/x-matroska", "video/mp4", "video/ogg", "video/quicktime"}  # may hold nothing but sound
WRITTEN = {"application/json", "text/vtt", "text/plain"}
FAMILIES = {"image", "audio", "video", "text"}


def kind_of(path: Path) -> str | None:
    """Return the media type that the first bytes of a file show; None if they show none."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        return None
    if head[:4] == b"RIFF":
        return RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return BRANDS.get(head[8:12], "video/mp4")
    if head[0] == 0xFF and len(head) > 1 and head[1] & 0xE6 == 0xE2:
        return "audio/mpeg"
    return next((media for start, media in STARTS if head.startswith(start)), None) or _written(head)


def fits(kind: str | None, allowed: Sequence[str]) -> bool:
    """Tell whether a file of a kind may be one of these media types. A file of an unknown kind does."""
    return kind is None or any(_fits(kind, media) for media in allowed)


def _fits(kind: str, media: str) -> bool:
    family = "text" if media == "application/json" else media.partition("/")[0]
    if family not in FAMILIES:
        return True
    if kind in WRITTEN:
        return family == "text"
    return kind.partition("/")[0] == family or (family == "audio" and kind in WITH_SOUND)


def _written(head: bytes) -> str | None:
    """Return the kind of a text. The last character of the head may be cut."""
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3 or len(head) < HEAD:
            return None
        text = head[: error.start].decode("utf-8")
    if "\x00" in text:
        return None
    begin = text.lstrip("\ufeff \t\r\n")
    if begin.startswith("WEBVTT"):
        return "text/vtt"
    if begin.startswith(("<svg", "<?xml")) and "<svg" in begin:
        return "image/svg+xml"
    return "application/json" if begin[:1] in ("{", "[") else "text/plain"
