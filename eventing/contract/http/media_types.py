"""Read the headers that say how a body is written, Content-Type and Content-Encoding, alike at every door."""

from __future__ import annotations

from collections.abc import Iterable
from email.message import Message

from eventing.contract.errors import UnsupportedMedia

LONGEST = 256  # characters that are read, since the time of Python's reader grows with the square


def parse(content_type: str) -> tuple[str, str]:
    """Return the media type in lower case and the charset; UTF-8 if the header names no charset."""
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


def json_charset(content_type: str, *others: str) -> str:
    """Return the charset of a body. Raises UnsupportedMedia if it is neither JSON nor one of the others."""
    media, charset = parse(content_type)
    if is_json(media) or media in others:
        return charset
    raise UnsupportedMedia(
        f"the Content-Type must be application/json here, not {media[:64]}", field="content-type"
    )


def check_encodings(values: Iterable[str]) -> None:
    """Raise UnsupportedMedia if a Content-Encoding says that the body is compressed."""
    if any(value.strip().lower() != "identity" for value in values):
        raise UnsupportedMedia(
            "compressed bodies are not read here; send the body without Content-Encoding",
            field="content-encoding",
        )
