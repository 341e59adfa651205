"""Define a step type: what a step takes and leaves, its parameters, and how it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import Field, model_validator

from eventing.contract.budget import Budget
from eventing.contract.records.models import Frozen

NAME = r"^[a-z][a-z0-9_-]{0,62}$"
Name = Annotated[str, Field(pattern=NAME)]
Media = Annotated[str, Field(pattern=r"^[a-z]+/[a-z0-9.+*-]+$")]  # such as video/mp4 or video/*
OF_PARAMETERS = "parameters"
OF_INPUT = re.compile(r"^inputs\.([a-z][a-z0-9_-]*)$")


class InputRule(Frozen):
    """A named input of a step type: files of these media types."""

    media: tuple[Media, ...] = Field(min_length=1)
    many: bool = Field(False, description="Whether it takes a list.")
    required: bool = True
    same_shape: bool = Field(False, description="Whether all its clips have one size and frame rate.")

    def takes(self, media: str) -> bool:
        """Tell whether a media type fits."""
        return any(fits(media, allowed) for allowed in self.media)


class OutputRule(Frozen):
    """A named output of a step type: one file."""

    media: Media
    required: bool = True
    shape: str | None = Field(
        None, description="Where the size and frame rate of a clip come from: `parameters`, or `inputs.NAME`."
    )


class Builtin(Frozen):
    """A step in the box: a module of the package `steps`."""

    kind: Literal["builtin"] = "builtin"
    module: Name


class Command(Frozen):
    """A command in a container: its words may have {inputs}, {outputs} and {parameters}, which are paths."""

    kind: Literal["command"] = "command"
    words: tuple[str, ...] = Field(min_length=1)
    image: str | None = Field(None, description="Of the container on a cluster.")


class Service(Frozen):
    """An HTTP service that takes the request of a step and answers with bytes or addresses."""

    kind: Literal["http"] = "http"
    url: str = Field(pattern=r"^https?://")


class StepType(Frozen):
    """One kind of step. A step whose type, version, parameters and inputs are equal is not run again."""

    name: Name
    version: int = Field(1, ge=1, description="Another one makes other outputs of the same inputs.")
    title: str
    notes: str = ""
    inputs: dict[Name, InputRule] = Field(default_factory=dict)
    outputs: dict[Name, OutputRule] = Field(min_length=1)
    parameters: dict[str, Any] = Field(
        default_factory=lambda: {"type": "object", "additionalProperties": False},
        description="JSON Schema, draft 2020-12.",
    )
    run: Annotated[Builtin | Command | Service, Field(discriminator="kind")]
    gpus: int = Field(0, ge=0)
    memory_gib: int = Field(1, ge=1)
    seconds: float = Field(1, gt=0, description="Expected on an idle worker.")
    budget: Budget

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if problems := "; ".join(self._problems()):
            raise ValueError(problems)
        return self

    @cached_property
    def validator(self) -> Draft202012Validator:
        """Return the validator of the parameters."""
        return Draft202012Validator(self.parameters)

    def _problems(self) -> Iterator[str]:
        try:
            Draft202012Validator.check_schema(self.parameters)
        except SchemaError as error:
            yield f"parameters: is no JSON Schema: {error.message}"
        for name, output in self.outputs.items():
            if output.shape and not self._names_shape(output.shape):
                yield f"outputs.{name}.shape: must be {OF_PARAMETERS}, or inputs. and the name of an input"

    def _names_shape(self, source: str) -> bool:
        named = OF_INPUT.match(source)
        return source == OF_PARAMETERS or (named is not None and named[1] in self.inputs)


def fits(media: str, allowed: str) -> bool:
    """Tell whether a media type is in a range such as video/*."""
    return media == allowed or (allowed.endswith("/*") and media.startswith(allowed[:-1]))
