"""Define adapters (LoRAs) as a request names them, as a spec has them, and as a result names them.

An adapter changes what a model draws, or how few steps it needs. The catalog lists those that may be used;
a request names some of them with a scale, the strength of each.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from eventing.contract.records.frozen import Frozen, Incoming, Received

MOST = 8  # adapters of one request
EXAMPLE = '[{"name": "…", "scale": 1}]'
LoraName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]
Scale = Annotated[float, Field(allow_inf_nan=False)]


class LoraChoice(Incoming):
    """One adapter of a request or of a tier."""

    name: Annotated[str, Field(max_length=64)] = Field(description="Name in the catalog.")
    scale: Scale | None = Field(None, description="Strength; the catalog's default if absent.")


class Lora(Frozen):
    """One adapter of a spec."""

    name: LoraName
    scale: Scale


class UsedLora(Received):
    """One adapter of a finished video."""

    name: str
    scale: float
    revision: str = Field(description="Commit of its repository; `local` for a file of a folder.")
    sha256: dict[str, str] = Field(description="Of each of its files, by file name.")


def from_text(value: Any, *, example: str = EXAMPLE) -> Any:
    """Return what JSON text holds: a form and a V2 tensor have no other way to send a list or an object."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError(f"must be JSON, such as {example}") from None


def _list(value: Any) -> Any:
    value = from_text(value)
    if not isinstance(value, list | tuple):
        raise ValueError(f"must be a list, such as {EXAMPLE}")  # noqa: TRY004 - what pydantic reports
    return value


def _distinct(choices: tuple[LoraChoice, ...]) -> tuple[LoraChoice, ...]:
    names = [choice.name for choice in choices]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"the adapter {name} must be named once")
    return choices


LoraChoices = Annotated[
    tuple[LoraChoice, ...],
    Field(max_length=MOST, fail_fast=True),  # a million wrong items would be a million errors
    AfterValidator(_distinct),
    BeforeValidator(_list),
]
