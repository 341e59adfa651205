"""Check URLs of callers and keep their text as it is."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, AnyHttpUrl, ConfigDict, Field, TypeAdapter, ValidationError


def is_http_url(text: str) -> str:
    """Check a URL and keep its text: pydantic's URL types normalise it, which breaks signed addresses."""
    if any(character <= " " or character in "\x7f\\" for character in text):
        raise ValueError("must not contain spaces, control characters or backslashes: percent-encode them")
    try:
        url = _http_url.validate_python(text)
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"]) from error
    parts = urlsplit(text)  # pydantic also reads http:host and http:///host as URLs
    if not parts.hostname:
        raise ValueError("must name a host after http:// or https://")
    if url.username or url.password or "@" in parts.netloc:
        raise ValueError("must not carry a user name or password")
    return text


_http_url = TypeAdapter(AnyHttpUrl, config=ConfigDict(hide_input_in_errors=True))
CallbackUrl = Annotated[
    str, AfterValidator(is_http_url), Field(min_length=1, json_schema_extra={"format": "uri"})
]
