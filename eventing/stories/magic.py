"""Tell the media type of a file by its first bytes, since names and headers may be wrong."""

from __future__ import annotations

import json

BRANDS = {b"avif": "image/avif", b"avis": "image/avif", b"heic": "image/heic", b"heix": "image/heic",
          b"mif1": "image/heic", b"M4A ": "audio/mp4", b"qt  ": "video/quicktime"}  # fmt: skip
BEGINNINGS = {
    b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif",
    b"BM": "image/bmp", b"II*\x00": "image/tiff", b"MM\x00*": "image/tiff", b"\x1aE\xdf\xa3": "video/webm",
    b"ID3": "audio/mpeg", b"OggS": "audio/ogg", b"fLaC": "audio/flac", b"%PDF-": "application/pdf",
    b"PK\x03\x04": "application/zip", b"WEBVTT": "text/vtt", b"\xef\xbb\xbfWEBVTT": "text/vtt",
}  # fmt: skip
IN_RIFF = {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}
UNKNOWN = "application/octet-stream"


def media_type(body: bytes) -> str:
    """Return the media type of a file; application/octet-stream if it is not known."""
    if body[:4] == b"RIFF":
        return IN_RIFF.get(body[8:12], UNKNOWN)
    if body[4:8] == b"ftyp":
        return BRANDS.get(body[8:12], "video/mp4")
    if media := next((media for begin, media in BEGINNINGS.items() if body.startswith(begin)), None):
        return media
    if len(body) > 1 and body[0] == 0xFF and body[1] & 0xE6 == 0xE2:  # a frame of layer III
        return "audio/mpeg"
    return _of_text(body)


def _of_text(body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return UNKNOWN
    if not text.lstrip().startswith(("{", "[")):
        return UNKNOWN if "\x00" in text else "text/plain"
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return "text/plain"
    return "application/json"
