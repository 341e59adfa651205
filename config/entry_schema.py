"""Write the schemas of catalog entries and step types into the chart's values.schema.json.

They come from the classes that read them. It is the end of that file: everything from ENTRY on is generated.
"""

from __future__ import annotations

import json
from typing import Any

from eventing.contract.catalog import CatalogEntry, LoraEntry
from eventing.contract.records.frozen import Frozen
from eventing.contract.stories.types import StepType

ENTRY = '    "entry": '


def with_entry(text: str) -> str:
    """Return values.schema.json with models, adapters and step types as their classes have them today."""
    parts = _parts("entry", CatalogEntry, ["name"]) | _parts("lora", LoraEntry, ["name", "kind"])
    parts |= _parts("stepType", StepType, ["name"])
    del parts["stepType"]["required"]  # of a type in the box one field may be changed
    lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(part)}" for name, part in parts.items())
    return text.partition(ENTRY)[0] + lines + "\n  }\n}\n"


def _parts(name: str, kind: type[Frozen], filled: list[str]) -> dict[str, Any]:
    """Return a schema and those that it refers to, without the keys that the chart fills."""
    schema = without_titles(kind.model_json_schema())
    parts = {name: schema, **schema.pop("$defs")}
    for key in filled:
        schema["properties"].pop(key)
        schema["required"].remove(key)
    return parts


def without_titles(schema: Any) -> Any:
    """Return a schema without the titles that pydantic makes of names."""
    if isinstance(schema, list):
        return [without_titles(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    named = {"properties", "$defs"}  # their keys are names, `title` among them
    return {
        key: {name: without_titles(part) for name, part in value.items()}
        if key in named
        else without_titles(value)
        for key, value in schema.items()
        if key != "title"
    }
