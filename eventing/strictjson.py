"""JSON as RFC 8259 has it: no NaN, no half of a surrogate pair: what is read can be stored and answered.

Python's own reader takes both; a database's JSON column and UTF-8 take neither.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from eventing.errors import MalformedRequest, UnsupportedMedia


def loads(body: bytes, charset: str = "utf-8") -> Any:
    """The value in a body. Raises MalformedRequest, UnsupportedMedia for an unknown charset."""
    try:
        value = json.loads(body.decode(charset), parse_constant=_refuse)
    except LookupError as error:
        raise UnsupportedMedia(
            f"the charset {charset[:40]!r} is not known here", field="content-type"
        ) from error
    except UnicodeDecodeError as error:
        raise MalformedRequest(
            f"the body is not {charset[:40]}: {error.reason} at byte {error.start}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise MalformedRequest(f"the body is not JSON: {error}") from error
    if not _is_text(value):
        raise MalformedRequest("the body contains half of a surrogate pair", field=_culprit(value))
    return value


def _is_text(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _culprit(value: Any) -> str | None:
    """The member of an object that holds it."""
    members = value.items() if isinstance(value, dict) else ()
    return next((name for name, held in members if _is_text(name) and not _is_text(held)), None)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
