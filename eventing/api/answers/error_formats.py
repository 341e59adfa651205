"""List the error formats, one per path prefix: problem details, OpenAI, OpenRouter, V2.

`problems.answer` writes errors by this table and the API description is made from it, so both agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from eventing.contract.errors import ReelzeroError
from eventing.contract.problems import address


@dataclass(frozen=True)
class ErrorFormat:
    """How one protocol writes errors.

    `name` and `schema` are its entry in the API description. `statuses` replaces HTTP statuses that the
    protocol's clients would misread.
    """

    name: str
    media_type: str
    body: Callable[[ReelzeroError], dict[str, object]]
    schema: Mapping[str, Any]
    statuses: Mapping[int, int] = field(default_factory=dict)


def format_of(path: str) -> ErrorFormat:
    """Return the format for a path: that of its prefix, or RFC 9457 problem details."""
    matches = (form for prefix, form in BY_PREFIX.items() if path == prefix or path.startswith(prefix + "/"))
    return next(matches, PROBLEM)


def _problem(error: ReelzeroError) -> dict[str, object]:
    """Write RFC 9457 problem details; `code` is stable, `field` names what is wrong."""
    body: dict[str, object] = {
        "type": address(error.code),
        "title": error.code.replace("_", " "),
        "status": error.status,
        "detail": error.message,
        "code": error.code,
    }
    return body | ({"field": error.field} if error.field else {})


def _openai(error: ReelzeroError) -> dict[str, object]:
    """Write `{"error": {message, type, code, param}}`."""
    types = {401: "authentication_error", 429: "rate_limit_error"}
    type_ = "server_error" if error.status >= 500 else types.get(error.status, "invalid_request_error")
    return {"error": {"message": error.message, "type": type_, "code": error.code, "param": error.field}}


def _openrouter(error: ReelzeroError) -> dict[str, object]:
    """Write `{"error": {code, message, metadata}}`; its code is the HTTP status, the metadata has ours."""
    status = UNRETRIED.get(error.status, error.status)
    facts = {"code": error.code, "field": error.field}
    return {"error": {"code": status, "message": error.sentence(), "metadata": facts}}


def _v2(error: ReelzeroError) -> dict[str, object]:
    """Write `{"error": "…"}` as V2 has it, with the code and the field for programs beside it."""
    return {"error": error.sentence(), "code": error.code, "field": error.field}


# SDKs of these contracts retry a 409, which cannot help here. They do not retry a 400.
UNRETRIED: Mapping[int, int] = {409: 400, 422: 400}
PROBLEM = ErrorFormat(
    "Problem",
    "application/problem+json",
    _problem,
    {
        "type": "object",
        "description": "RFC 9457 problem details.",
        "required": ["type", "title", "status", "detail", "code"],
        "properties": {
            "type": {"type": "string", "description": "Path of a page that explains the code."},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string", "description": "Stable; for programs."},
            "field": {"type": "string", "description": "What of the request is wrong."},
        },
    },
)
OPENAI = ErrorFormat(
    "OpenAIError",
    "application/json",
    _openai,
    {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type", "code", "param"],
                "properties": {
                    "message": {"type": "string"},
                    "type": {"type": "string"},
                    "code": {"type": "string"},
                    "param": {"type": ["string", "null"]},
                },
            }
        },
    },
    statuses=UNRETRIED,
)
OPENROUTER = ErrorFormat(
    "OpenRouterError",
    "application/json",
    _openrouter,
    {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {
                    "code": {"type": "integer", "description": "The HTTP status."},
                    "message": {"type": "string"},
                    "metadata": {
                        "type": "object",
                        "properties": {"code": {"type": "string"}, "field": {"type": ["string", "null"]}},
                    },
                },
            }
        },
    },
    statuses=UNRETRIED,
)
V2 = ErrorFormat(
    "V2Error",
    "application/json",
    _v2,
    {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {"type": "string"},
            "code": {"type": "string"},
            "field": {"type": ["string", "null"]},
        },
    },
)
BY_PREFIX = {"/v1/videos": OPENAI, "/api/v1": OPENROUTER, "/v2": V2}
ALL = (PROBLEM, OPENAI, OPENROUTER, V2)
