"""Check what one entry of a catalog says about another: a tier's adapters, and the models of an adapter."""

from __future__ import annotations

from collections.abc import Iterator

from eventing.contract.catalog.entry import CatalogEntry
from eventing.contract.catalog.files import Entries, wrong
from eventing.contract.catalog.loras import choose
from eventing.contract.errors import InvalidRequest


def require_agreement(entries: Entries) -> None:
    """Raise ConfigurationError naming the file and the key of an entry that does not fit the others."""
    for kind, problems in (("lora", _of_loras(entries)), ("model", _of_tiers(entries))):
        for name, problem in problems:
            raise wrong(entries.files[kind, name], problem)


def _of_loras(entries: Entries) -> Iterator[tuple[str, str]]:
    for lora in entries.loras.values():
        for index, name in enumerate(lora.models):
            model = entries.models.get(name)
            if model is None:
                yield lora.name, f"models.{index}: there is no model {name}"
            elif not model.has_weights:
                yield lora.name, f"models.{index}: {name} is a model of an engine, which gets no adapters"
            elif lora.file_2 and not _has_two(model):
                yield lora.name, f"file_2: {name} has one transformer, since its tiers have no guidance_2"


def _of_tiers(entries: Entries) -> Iterator[tuple[str, str]]:
    for model in entries.models.values():
        for quality, tier in model.quality.items():
            try:
                choose(model.name, entries.loras, (), tier.loras)
            except InvalidRequest as error:
                yield model.name, f"quality.{quality}.{error.sentence()}"


def _has_two(model: CatalogEntry) -> bool:
    return any(tier.guidance_2 is not None for _, tier in model.quality.items())
