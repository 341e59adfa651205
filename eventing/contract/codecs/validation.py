"""Turn pydantic's validation errors into InvalidRequest (422) or MalformedRequest (400), and into sentences.

No other file reads pydantic's errors. Both services, the settings and the catalog use this one, so a mistake
has the same sentence everywhere: the field, and what would be right. A Frozen model hides its input in
errors, so they can be logged without a prompt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as member
from itertools import dropwhile
from typing import Any, Protocol, TypeVar

from pydantic import ValidationError

from eventing.contract.errors import InvalidRequest, MalformedRequest
from eventing.contract.records.models import Frozen

T = TypeVar("T", bound=Frozen)
OBJECTS = frozenset({"model_type", "model_attributes_type", "dict_type"})
SHAPES = frozenset({"string_pattern_mismatch", "string_type"})  # errors that a hint explains better


class Errors(Protocol):
    """A ValidationError, or FastAPI's RequestValidationError."""

    def errors(self) -> Any:
        """List every error as a dict with `loc`, `msg` and `type`."""


@dataclass(frozen=True)
class Words:
    """What messages say about a model: its `known` fields, and in `hints` what some of them look like.

    `whole` names the input itself. `skip` lists leading path parts that mean nothing to the caller.
    """

    known: Iterable[str] = ()
    hints: Mapping[str, str] = member(default_factory=dict)
    whole: str = "body"
    skip: Iterable[str] = ()


@dataclass(frozen=True)
class Problem:
    """The first wrong value: its path, which is empty for the whole input, and what would be right."""

    path: tuple[str, ...]
    message: str
    is_syntax: bool = False

    @property
    def field(self) -> str | None:
        """Return the path with dots; None for the whole input."""
        return ".".join(self.path) or None

    def sentence(self, whole: str) -> str:
        """Say which field is wrong and how; `whole` names the input."""
        return f"{self.field or whole}: {self.message}"


PLAIN = Words()


def first_problem(error: Errors, words: Words = PLAIN) -> Problem:
    """Describe the first error."""
    return _problem(error.errors()[0], words)


def all_problems(error: Errors, words: Words = PLAIN) -> list[Problem]:
    """Describe every error."""
    return [_problem(one, words) for one in error.errors()]


def _problem(error: Mapping[str, Any], words: Words) -> Problem:
    if error["type"] == "json_invalid":  # its path is a position in the text and not a field
        return Problem((), f"not JSON: {error['ctx']['error']}", is_syntax=True)
    path = tuple(dropwhile(lambda part: part in words.skip, map(str, error["loc"])))
    message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if error["type"] == "extra_forbidden":
        names = ", ".join(sorted(words.known)) if len(path) == 1 else ""
        message = f"unknown field; known: {names}" if names else "unknown field"
    elif error["type"] in OBJECTS:
        message = "must be a JSON object"
    elif error["type"] in SHAPES and path and path[-1] in words.hints:
        message = words.hints[path[-1]]
    return Problem(path, message)


def refusal(error: Errors, words: Words) -> InvalidRequest | MalformedRequest:
    """Make the error for a caller: malformed if the bytes are not JSON, else invalid with its field."""
    problem = first_problem(error, words)
    if problem.is_syntax:
        return MalformedRequest(f"the {words.whole} is {problem.message}")
    return InvalidRequest(problem.sentence(words.whole), field=problem.field)


def validated(model: type[T], data: Any, hints: Mapping[str, str] | None = None, whole: str = "body") -> T:
    """Validate decoded data. Raises InvalidRequest naming the first wrong field."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise refusal(error, Words(model.model_fields, hints or {}, whole)) from error
