"""Write the schemas of parameters into the files of the step types in the box: `python -m config.step_types`.

A file's `parameters` are its last key, and are generated from the class `Parameters` of its module.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from config.entry_schema import without_titles
from eventing.contract.stories.catalog import HERE

MARK = "\nparameters:"


def with_parameters(text: str) -> str:
    """Return the text of a step type with the parameters that its module has today."""
    head = text.partition(MARK)[0] + "\n"
    module = import_module(f"steps.builtin.{yaml.safe_load(head)['run']['module']}")
    schema = {"parameters": parameters(module.Parameters.model_json_schema())}
    return head + yaml.safe_dump(schema, sort_keys=False, allow_unicode=True, width=100)


def parameters(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without titles, and without null: what is not wanted is left out of a request."""
    plain: dict[str, Any] = without_titles(schema)
    plain["properties"] = {name: _required(part) for name, part in plain["properties"].items()}
    return plain


def _required(part: dict[str, Any]) -> dict[str, Any]:
    if part.get("default", ...) is None:
        part = {key: value for key, value in part.items() if key != "default"}
    choices = part.get("anyOf", ())
    values = [choice for choice in choices if choice != {"type": "null"}]
    if len(values) == 1:
        part = values[0] | {key: value for key, value in part.items() if key != "anyOf"}
    return part


def files() -> list[Path]:
    """Return the files of the step types in the box."""
    return sorted(HERE.glob("*.yaml"))


if __name__ == "__main__":
    for path in files():
        path.write_text(with_parameters(path.read_text(encoding="utf-8")), encoding="utf-8")
