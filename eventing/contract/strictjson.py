"""JSON as RFC 8259 has it, in a few charsets, and so that what is read can be stored and answered.

Python's own reader takes NaN, numbers beyond a double, halves of surrogate pairs and hundreds of levels; a
database's JSON column, UTF-8 and whoever writes the answer do not.
"""

from __future__ import annotations

import json
from encodings import normalize_encoding
from encodings.aliases import aliases
from typing import Any

from eventing.contract.errors import MalformedRequest, UnsupportedMedia

# Python knows a hundred codecs; one takes minutes for a body (punycode), some are no charset at all. The
# names are not looked up in its registry, which imports what it is asked for and remembers every miss.
CHARSETS = frozenset({"utf_8", "utf_16", "utf_16_le", "utf_16_be", "utf_32", "ascii", "latin_1"})
DEEPEST = 64


def loads(body: bytes, charset: str = "utf-8") -> Any:
    """The value in a body. Raises MalformedRequest, UnsupportedMedia for a charset that is not read here."""
    value = read(body, charset)
    check(value)
    return value


def read(body: bytes, charset: str = "utf-8") -> Any:
    """What Python makes of a body, also if `check` refuses it. Raises as `loads` does."""
    try:
        return json.loads(body.decode(_codec(charset)))
    except UnicodeDecodeError as error:
        raise MalformedRequest(
            f"the body is not {charset[:40]}: {error.reason} at byte {error.start}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise MalformedRequest(f"the body is not JSON: {error}") from error


def check(value: Any) -> None:
    """Raises MalformedRequest for a value that cannot be stored and answered, naming the member."""
    if problem := _problem(value):
        raise MalformedRequest(f"the body {problem}", field=_culprit(value))


def fits(value: Any) -> bool:
    """Whether a value can be stored and answered."""
    return _problem(value) is None


def _codec(charset: str) -> str:
    name = normalize_encoding(charset).lower()
    name = aliases.get(name, name)
    if name not in CHARSETS:
        raise UnsupportedMedia(
            f"the charset {charset[:40]!r} is not read here; utf-8, utf-16, utf-32, us-ascii, iso-8859-1 are",
            field="content-type",
        )
    return name


def _problem(value: Any, deepest: int = DEEPEST) -> str | None:
    if _is_deeper(value, deepest):
        return f"is nested more than {DEEPEST} levels deep"
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        return "contains half of a surrogate pair"
    except ValueError:
        return "contains a number that is not finite: NaN, Infinity, or one beyond a double"
    return None


def _is_deeper(value: Any, levels: int) -> bool:
    """Level by level: a recursion would end where Python's does."""
    level = _holders([value])
    for _ in range(levels):
        level = [inner for holder in level for inner in _holders(holder)]
    return bool(level)


def _holders(holder: dict[str, Any] | list[Any]) -> list[Any]:
    members = holder.values() if isinstance(holder, dict) else holder
    return [member for member in members if isinstance(member, (dict, list))]


def _culprit(value: Any) -> str | None:
    """The member of an object that holds it."""
    members = value.items() if isinstance(value, dict) else ()
    return next((name for name, held in members if fits(name) and _problem(held, DEEPEST - 1)), None)
