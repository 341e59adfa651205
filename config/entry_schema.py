"""Write the schema of a catalog entry into the chart's values.schema.json, from the class that reads entries.

It is the end of that file: everything from ENTRY on is generated.
"""

from __future__ import annotations

import json
from typing import Any

from eventing.contract.catalog import CatalogEntry

ENTRY = '    "entry": '


def with_entry(text: str) -> str:
    """Return values.schema.json with the entry as CatalogEntry has it today."""
    schema = _without_titles(CatalogEntry.model_json_schema())
    parts = {"entry": schema, **schema.pop("$defs")}
    schema["properties"].pop("name")  # the key in `catalog`
    schema["required"].remove("name")
    lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(part)}" for name, part in parts.items())
    return text.partition(ENTRY)[0] + lines + "\n  }\n}\n"


def _without_titles(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    named = {"properties", "$defs"}  # their keys are names, `title` among them
    return {
        key: {name: _without_titles(part) for name, part in value.items()}
        if key in named
        else _without_titles(value)
        for key, value in schema.items()
        if key != "title"
    }
