"""Read the request of a story: each fault is an InvalidRequest whose field is a path, as in `graph.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from eventing.contract.codecs.validation import Problem, Words, first_problem
from eventing.contract.errors import InvalidRequest
from eventing.contract.records.models import Frozen
from eventing.contract.stories.document import MANY, ONE, Film, Scene, StepRequest, StoryRequest

KEY = "[key]"  # pydantic's last part of a path to a wrong name
PARTS: dict[str, type[Frozen]] = {"steps": StepRequest, "scenes": Scene, "film": Film}
NAMES = "a name has lower-case letters, digits, - and _, begins with a letter and has 63 characters at most"


def parse_story(data: Any) -> StoryRequest:
    """Return the request in decoded JSON. Raises InvalidRequest with the path of the first wrong value."""
    try:
        return StoryRequest.model_validate(data)
    except ValidationError as error:
        problem = first_problem(error, Words(_fields(StoryRequest)))
        path = path_of(problem.path)
        message = f"{path or 'body'}: {_message(problem)}"
        raise InvalidRequest(message, field=path or None) from error


def path_of(parts: Sequence[str]) -> str:
    """Return a path such as `scenes[1].narration`, without the parts that pydantic adds."""
    of_caller = [part for n, part in enumerate(parts) if part != KEY and not (n == 4 and part in (ONE, MANY))]
    is_free = of_caller[:1] == ["metadata"]  # whose names may be numbers
    return "".join(
        f"[{part}]" if part.isdigit() and not is_free else f".{part}" for part in of_caller
    ).removeprefix(".")


def _message(problem: Problem) -> str:
    if problem.path[-1:] == (KEY,):
        return NAMES
    if problem.message == "Input should be a valid tuple":
        return "must be a list" if MANY not in problem.path else "must be text or a list"
    holder = PARTS.get(problem.path[0]) if problem.path else None
    if holder and problem.message == "unknown field":
        return f"unknown field; known: {', '.join(sorted(_fields(holder)))}"
    return problem.message


def _fields(model: type[Frozen]) -> list[str]:
    """Return the names of a record's fields as callers write them."""
    return [field.alias or name for name, field in model.model_fields.items()]
