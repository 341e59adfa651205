"""Find the class that runs a family: a file of this package, or a module of the operator."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from eventing.contract.catalog import CatalogEntry
from eventing.contract.catalog.engine import FAMILY as ENGINE_FAMILY
from eventing.contract.errors import ModelUnavailable

PIPELINES = Path(__file__).parent / "pipelines"
SETTING = "REELZERO_FAMILIES"


def find_family(entry: CatalogEntry, own: Mapping[str, str]) -> Any:
    """Return the class `Family` of the entry's family. `own` has the operator's modules by family.

    Raises ModelUnavailable naming the setting, or the key of the entry.
    """
    import_less()
    if name := own.get(entry.family):
        return _class_of(name)
    if entry.family not in known_families():
        raise ModelUnavailable(
            f"the catalog entry {entry.name} has the family {entry.family}; known: "
            f"{', '.join(known_families())}, {ENGINE_FAMILY} with an engine, and those of {SETTING}"
        )
    family = import_module(f"predictor.models.pipelines.{entry.family}").Family
    if entry.gpus > 1 and not family.SHARED:
        raise ModelUnavailable(
            f"the catalog entry {entry.name} asks for {entry.gpus} GPUs, but the family {entry.family} "
            f"uses one: set gpus to 1, or take a model of the family wan, or name a family of your own in "
            f"{SETTING}"
        )
    return family


def known_families() -> list[str]:
    """Return the families of this package: the files that have a class `Family`."""
    files = sorted(PIPELINES.glob("*.py"))
    return [path.stem for path in files if "\nclass Family(" in path.read_text(encoding="utf-8")]


def import_less() -> None:
    """Let transformers leave out its own ways to share a model among GPUs.

    They take sympy and a second to import. Models that share a video here do it with diffusers (ranks/).
    """
    from transformers import utils  # noqa: PLC0415 - see predictor/models/devices.py

    utils.is_torch_distributed_available = utils.import_utils.is_torch_distributed_available = lambda: False


def _class_of(module: str) -> Any:
    try:
        return import_module(module).Family
    except AttributeError as error:
        raise ModelUnavailable(f"{SETTING}: the module {module} has no class Family") from error
    except Exception as error:
        raise ModelUnavailable(
            f"{SETTING}: the module {module} cannot be imported: {type(error).__name__}: {error}"
        ) from error
