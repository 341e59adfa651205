"""Read JSON as RFC 8259 defines it, in a few charsets, within bounds, and only values that can be stored.

Python's reader also accepts NaN, numbers beyond a double, halves of surrogate pairs, hundreds of levels and
repeated names. Databases or UTF-8 refuse the first three. Of two members with one name, some readers use the
first and others the last. The bounds keep the time short, since reading a body blocks the event loop.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from encodings import normalize_encoding
from encodings.aliases import aliases
from typing import Any

from eventing.contract.errors import MalformedRequest, UnsupportedMedia

# Python has a hundred codecs. One takes minutes for a body (punycode), and some are no charsets. Its registry
# is not used: it imports any module of the name and keeps every miss in memory.
CHARSETS = frozenset({"utf_8", "utf_16", "utf_16_le", "utf_16_be", "utf_32", "ascii", "latin_1"})
DEEPEST = 64  # levels of nesting
MOST_VALUES = 10_000  # in one body: reading, checking and storing that many takes up to 40 ms
MOST_DIGITS = 10_000  # of all integers over 20 digits together: reading one takes the square of its length


class Repeated(dict[str, Any]):
    """An object that names a member twice. Looking up gives the last; `items`, and so its JSON, has all."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    def items(self) -> Any:
        """Return all pairs."""
        return self.pairs

    def name(self) -> str:
        """Return the first name that comes twice."""
        names = Counter(name for name, _ in self.pairs)
        return next(name for name, times in names.items() if times > 1)


def loads(body: bytes, charset: str = "utf-8") -> Any:
    """Return the value in a body. Raises MalformedRequest, or UnsupportedMedia for an unknown charset."""
    value = read(body, charset)
    check(value)
    return value


def read(body: bytes, charset: str = "utf-8") -> Any:
    """Return the value in a body without `check`. Raises as `loads` does."""
    try:
        text = body.decode(_codec(charset)).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise MalformedRequest(
            f"the body is not {charset[:40]}: {error.reason} at byte {error.start}"
        ) from error
    if not text.strip():
        raise MalformedRequest("the body is empty")
    if (values := _values(text)) > MOST_VALUES:
        raise MalformedRequest(f"the body has {values} JSON values; it may have {MOST_VALUES} at most")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_Integers())
    except (ValueError, RecursionError) as error:
        raise MalformedRequest(f"the body is not JSON: {error}") from error


def check(value: Any) -> None:
    """Raise MalformedRequest naming the member whose value cannot be stored and sent."""
    if problem := _problem(value):
        field = _culprit(value)
        where = "the body" if field is None else f"{field[:64]}: the value"
        raise MalformedRequest(f"{where} {problem}", field=field)


def fits(value: Any) -> bool:
    """Tell whether a value can be stored and sent."""
    return _problem(value) is None


class _Integers:
    """Reads the integers of one body and counts the digits of the long ones."""

    def __init__(self) -> None:
        self._digits = 0

    def __call__(self, text: str) -> int:
        if len(text) > 20:
            self._digits += len(text)
            if self._digits > MOST_DIGITS:
                raise ValueError(f"its long integers have more than {MOST_DIGITS} digits")
        return int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    return plain if len(plain) == len(pairs) else Repeated(pairs)


def _values(text: str) -> int:
    """Count the values of a text, or a few more: commas and opening brackets outside strings."""
    marks = text.count(",") + text.count("[") + text.count("{") + 1
    if marks <= MOST_VALUES:
        return marks
    text = text.replace("\\\\", "").replace('\\"', "")
    strings = text.count('"') // 2
    if strings > 2 * MOST_VALUES:  # each is a value or a name
        return strings // 2
    outside = "".join(text.split('"')[::2])
    return outside.count(",") + outside.count("[") + outside.count("{") + 1


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
    level = [value]
    for _ in range(deepest):  # level by level, since a recursion would reach Python's limit
        if problem := _first_problem(level):
            return problem
        level = [inner for holder in level if isinstance(holder, dict | list) for inner in _inside(holder)]
    if any(isinstance(member, dict | list) for member in level):
        return f"is nested more than {DEEPEST} levels deep"
    return _first_problem(level)


def _inside(holder: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return (*holder, *dict.values(holder)) if isinstance(holder, dict) else holder


def _first_problem(values: list[Any]) -> str | None:
    return next(filter(None, map(_own_problem, values)), None)


def _own_problem(value: Any) -> str | None:
    if isinstance(value, str):
        return None if _is_unicode(value) else "contains half of a surrogate pair"
    if isinstance(value, float):
        finite = math.isfinite(value)
        return None if finite else "contains a number that is not finite: NaN, Infinity, or beyond a double"
    return f"names {value.name()[:64]!r} twice" if isinstance(value, Repeated) else None


def _is_unicode(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _culprit(value: Any) -> str | None:
    """Return the name of the member that holds the problem, or the name that comes twice."""
    if isinstance(value, Repeated):
        return value.name()
    members = value.items() if isinstance(value, dict) else ()
    return next((name for name, member in members if fits(name) and _problem(member, DEEPEST - 1)), None)
