"""Read Content-Type values: the media type, the charset, and whether it is JSON."""

from __future__ import annotations

from email.message import Message

LONGEST = 256  # characters that are read, since the time of Python's reader grows with the square


def parse(content_type: str) -> tuple[str, str]:
    """Return the media type in lower case and the charset; UTF-8 where none is named."""
    content_type = content_type[:LONGEST]
    message = Message()
    message["content-type"] = content_type.replace("\r", " ").replace("\n", " ")
    media = content_type.partition(";")[0].strip().lower()
    return media, str(message.get_param("charset") or "utf-8")


def is_utf8(charset: str) -> bool:
    """Tell whether a charset is UTF-8."""
    return charset.lower() in ("utf-8", "utf8")


def is_json(media: str) -> bool:
    """Tell whether a body of this media type is JSON. A body without a type is."""
    return media in ("", "application/json", "text/json") or media.endswith("+json")
