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
        json.dumps(value, ensure_ascii=False).encode()
    except LookupError as error:
        raise UnsupportedMedia(
            f"the charset {charset[:40]!r} is not known here", field="content-type"
        ) from error
    except UnicodeDecodeError as error:
        raise MalformedRequest(
            f"the body is not {charset[:40]}: {error.reason} at byte {error.start}"
        ) from error
    except UnicodeEncodeError as error:
        raise MalformedRequest("the body contains half of a surrogate pair") from error
    except (ValueError, RecursionError) as error:
        raise MalformedRequest(f"the body is not JSON: {error}") from error
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
