"""Write docs/fields.md from the records of a request. Call it as `python -m tests.support.fields_page`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from eventing.api.videos import openai, openrouter
from eventing.api.videos.dialect import Dialect
from eventing.cli.terminal.requests.fields import request_options
from eventing.contract.records.models import JobRequest
from eventing.contract.v2.table import INPUTS

PAGE = Path(__file__).parents[2] / "docs" / "fields.md"
HEAD = """# Fields of a request

One record describes a video at every way in: the body of `POST /v1/jobs`, the data of a CloudEvent, the
parameters and tensors of V2, the options of `reelzero submit`. A field with another name is refused
(422), so a misspelt one is never ignored. This page is generated from `eventing/contract/records/models.py`
(`make pages`); the same is in `/openapi.json` of every server.

What a request leaves out comes from the model's entry in the catalog: [models](models.md), `GET
/v1/models`.
"""
OPENAI = """
## Only at `/v1/videos`

OpenAI's own names, beside all of the above ([how they are read](clients/openai.md)).
"""
OPENROUTER = """
## Only at `/api/v1/videos`

OpenRouter's own names, beside all of the above ([how they are read](clients/openrouter.md)).
"""
ELSEWHERE = "\nFields of other contracts are refused there with what to send:\n"
COLUMNS = "| field | value | default | meaning | V2 input | terminal |\n|---|---|---|---|---|---|"
FEWER = "| field | value | default | meaning | becomes |\n|---|---|---|---|---|"
RANGES = {
    "minimum": " from {}",
    "exclusiveMinimum": " above {}",
    "maximum": " to {}",
    "maxLength": ", at most {} characters",
    "maxItems": ", at most {}",
    "maxProperties": ", at most {} entries",
    "pattern": " `{}`",
}
WORDS = {"string": "text", "boolean": "true or false"}


def rows(kind: type[BaseModel], base: type[BaseModel] | None = None) -> list[tuple[str, str, str, str]]:
    """Give name, value, default and meaning of each field that the base does not have."""
    schema = kind.model_json_schema()
    known = base.model_fields if base else {}
    return [
        (name, value(field, schema["$defs"]), default(name, field, schema), meaning(field, schema["$defs"]))
        for name, field in schema["properties"].items()
        if name not in known
    ]


def meaning(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Return a field's description, or that of its kind."""
    kind = definitions.get(field.get("$ref", "").rpartition("/")[2], {})
    return str(field.get("description") or kind.get("description", ""))


def value(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Say which values a field takes."""
    kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
    return ", or ".join(_kind(kind, definitions) for kind in kinds)


def _kind(kind: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in kind:
        kind = definitions[kind["$ref"].rpartition("/")[2]] | kind
    if "enum" in kind:
        return ", ".join(f"`{word}`" for word in kind["enum"])
    if kind.get("type") == "object" and kind.get("properties"):
        return "`{" + ", ".join(kind["properties"]) + "}`"
    word = (
        "address"
        if kind.get("format") == "uri"
        else WORDS.get(kind.get("type", "string"), kind.get("type", "text"))
    )
    if "items" in kind:
        word = f"list of {_kind(kind['items'], definitions)}"
    limits = [text.format(_number(kind[name])) for name, text in RANGES.items() if name in kind]
    return "".join([word, *limits])


def _number(limit: Any) -> str:
    return f"{limit:,}".replace(",", " ") if isinstance(limit, int) and limit >= 10_000 else str(limit)


def default(name: str, field: dict[str, Any], schema: dict[str, Any]) -> str:
    """Say what an absent field means: required, a value, or empty where the description tells it."""
    if name in schema.get("required", ()):
        return "required"
    preset = field.get("default")
    return "" if preset is None or preset == [] else f"`{str(preset).lower()}`"


def text() -> str:
    """The whole page."""
    options = {option.name: option.annotation.__metadata__[0].default for option in request_options()}
    lines = [HEAD, COLUMNS]
    for name, *cells in rows(JobRequest):
        tensor = f"`{INPUTS[name]}`" if name in INPUTS else "parameter" if name in PARAMETERS else ""
        option = "the words" if name == "prompt" else f"`{options[name].split('/')[0]}`"
        lines.append(f"| `{name}` | {' | '.join(cells)} | {tensor} | {option} |")
    lines += [OPENAI, *dialect(openai.VideoCreate, openai.DIALECT)]
    lines += [OPENROUTER, *dialect(openrouter.VideoGenerationRequest, openrouter.DIALECT)]
    return "\n".join(lines) + "\n"


def dialect(kind: type[BaseModel], translation: Dialect) -> list[str]:
    """Give the table of a dialect with what its fields become, and the fields it answers with advice."""
    becomes = {
        parameter.name: f"{', '.join(f'`{field}`' for field in parameter.becomes)}: {parameter.how}"
        for parameter in translation.parameters
    }
    lines = [
        f"| `{name}` | {' | '.join(cells)} | {becomes.get(name, '').removeprefix(': ')} |"
        for name, *cells in rows(kind, JobRequest)
    ]
    advice = [f"- `{name}`: {words}" for name, words in translation.elsewhere.items()]
    return [FEWER, *lines, ELSEWHERE, *advice]


PARAMETERS = {"lane", "callback_url", "start_within_seconds", "metadata", "priority", "reuse"}

if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
