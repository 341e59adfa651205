"""Define the record of one adapter (LoRA), and choose the adapters of a request by those of a catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from eventing.contract.errors import InvalidRequest
from eventing.contract.records.loras import Lora, LoraChoice, LoraName, Scale
from eventing.contract.records.models import Frozen

# A file inside the folder or repository; no part of its path is hidden or leads out of it.
FILE = r"^([^/\\.\x00][^/\\\x00]*/)*[^/\\.\x00][^/\\\x00]*\.safetensors$"
LoraFile = Annotated[str, Field(max_length=255, pattern=FILE)]


class ScaleRange(Frozen):
    """The scales that an adapter takes."""

    min: Scale = 0.0
    max: Scale = 1.0
    default: Scale = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.min <= self.default <= self.max:
            raise ValueError("must have min ≤ default ≤ max")
        return self

    def allows(self, scale: float) -> bool:
        """Tell whether the adapter takes this scale."""
        return self.min <= scale <= self.max


class LoraEntry(Frozen):
    """One adapter: where its weights are, the models that it fits, and how strongly it may be used."""

    kind: Literal["lora"]
    name: LoraName
    title: str
    models: tuple[str, ...] = Field(min_length=1, description="Names of the models that it fits.")
    folder: str | None = Field(None, description="Absolute path of the folder that has the file.")
    repository: str | None = Field(None, description="Hugging Face repository, instead of a folder.")
    revision: str | None = Field(None, description="Commit, tag or branch of the repository.")
    file: LoraFile = Field(description="Safetensors file in the folder or repository.")
    file_2: LoraFile | None = Field(
        None, description="File for the second transformer of a model that has two."
    )
    scale: ScaleRange = ScaleRange()
    licence: str
    licence_notes: str = Field("", description="Where the licence does not apply, and what it asks for.")
    notes: str = ""

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if (self.folder is None) == (self.repository is None):
            raise ValueError("must have either folder or repository")
        if (self.repository is None) != (self.revision is None):
            raise ValueError("must have a revision with a repository, and none with a folder")
        if self.folder and not PurePosixPath(self.folder).is_absolute():
            raise ValueError("folder: must be an absolute path")
        return self

    def scale_of(self, choice: LoraChoice) -> float:
        """Return the scale of a choice. Raises InvalidRequest if the adapter does not take it."""
        scale = self.scale.default if choice.scale is None else choice.scale
        if not self.scale.allows(scale):
            raise InvalidRequest(
                f"the adapter {self.name} takes a scale of {self.scale.min:g} to {self.scale.max:g}, "
                f"not {scale:g}",
                field="scale",
            )
        return scale


def choose(
    model: str, known: Mapping[str, LoraEntry], tier: Sequence[LoraChoice], own: Sequence[LoraChoice]
) -> tuple[Lora, ...]:
    """Return the adapters of a tier and those of a request, whose scale wins where both name one.

    Raises InvalidRequest naming the wrong field of `own`.
    """
    mine = {choice.name for choice in own}
    chosen = [_chosen(model, known, choice) for choice in tier if choice.name not in mine]
    for index, choice in enumerate(own):
        try:
            chosen.append(_chosen(model, known, choice))
        except InvalidRequest as error:
            raise InvalidRequest(error.message, field=f"loras.{index}.{error.field}") from None
    return tuple(chosen)


def _chosen(model: str, known: Mapping[str, LoraEntry], choice: LoraChoice) -> Lora:
    entry = known.get(choice.name)
    if entry is None:
        fits = [name for name, other in sorted(known.items()) if model in other.models]
        words = f"{model} takes {', '.join(fits)}" if fits else f"{model} has no adapters"
        raise InvalidRequest(f"unknown adapter {choice.name!r}; {words}", field="name")
    if model not in entry.models:
        raise InvalidRequest(
            f"the adapter {entry.name} is for {', '.join(entry.models)}, not for {model}", field="name"
        )
    return Lora(name=entry.name, scale=entry.scale_of(choice))
