"""Load the diffusers pipelines of an entry: one from a folder's files, the others around the same parts."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from eventing.contract.catalog import CatalogEntry, Task
from eventing.contract.errors import ModelUnavailable
from eventing.contract.storage.weights import read_object
from predictor.models.pipelines.loading import parts
from predictor.models.pipelines.loading.parts import INDEX

Classes = Mapping[Task, tuple[type[Any], ...]]  # the pipelines that a family runs, by task
SHIFTS = ("flow_shift", "shift")  # the option's name in the schedulers that have it


def choose(folder: Path, entry: CatalogEntry, classes: Classes) -> dict[Task, type[Any]]:
    """Return the class of each task, the folder's own first. Raises ModelUnavailable if one does not fit."""
    own = _own_class(folder, entry, classes)
    chosen = {}
    for task, name in entry.tasks.pipelines().items():
        known = {kind.__name__: kind for kind in classes.get(task, ())}
        kind = known.get(own.__name__ if name == "auto" else name)
        if kind is None:
            raise ModelUnavailable(
                f"the catalog entry {entry.name} has tasks.{task}: {name}, but the family {entry.family} "
                f"runs {_names(known)} for it"
            )
        chosen[task] = kind
    return dict(sorted(chosen.items(), key=lambda item: item[1] is not own))


def load(kind: type[Any], folder: Path, entry: CatalogEntry, dtypes: Mapping[str, torch.dtype]) -> Any:
    """Load a pipeline of this class into memory, without network, with the entry's options."""
    own = {name: getattr(torch, dtype) for name, dtype in entry.dtypes.items()}
    dtype = {"default": getattr(torch, entry.dtype), **dtypes, **own}
    models = parts.load_models(folder, dtype)
    pipe = kind.from_pretrained(folder, dtype=dtype, local_files_only=True, **models)
    if entry.vae_tiling:
        pipe.vae.enable_tiling()
    pipe.scheduler = shifted(pipe.scheduler, entry.flow_shift, entry.name)
    for _, tier in entry.quality.items():
        shifted(pipe.scheduler, tier.flow_shift, entry.name)  # an option that is missing is said here
    return pipe


def shifted(scheduler: Any, shift: float | None, entry: str) -> Any:
    """Return the scheduler with another shift of its noise schedule. Raises ModelUnavailable."""
    if shift is None:
        return scheduler
    for option in SHIFTS:
        if option in scheduler.config:
            return type(scheduler).from_config(scheduler.config, **{option: shift})
    raise ModelUnavailable(
        f"the catalog entry {entry} sets flow_shift, but {type(scheduler).__name__} has no such option"
    )


def around(kind: type[Any], pipe: Any) -> Any:
    """Return a pipeline of another class around the same parts; `from_pipe` would change their precision."""
    if type(pipe) is kind:
        return pipe
    own = {**pipe.config, **pipe.components}
    names = [name for name in inspect.signature(kind.__init__).parameters if name in own]
    try:
        return kind(**{name: own[name] for name in names})
    except TypeError as error:
        raise ModelUnavailable(f"the weights do not have all parts of a {kind.__name__}: {error}") from error


def place(pipe: Any, entry: CatalogEntry, device: str) -> None:
    """Put a pipeline on its device, or let its parts go there when they run."""
    if device == "cpu" or entry.offload == "none":
        pipe.to(device)
    elif entry.offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    else:
        pipe.enable_sequential_cpu_offload(device=device)


def _own_class(folder: Path, entry: CatalogEntry, classes: Classes) -> type[Any]:
    index = folder / INDEX
    name = read_object(index).get("_class_name")
    known = {kind.__name__: kind for kinds in classes.values() for kind in kinds}
    if not isinstance(name, str) or name not in known:
        raise ModelUnavailable(
            f"{index} is of the class {str(name)[:60]}, but the family {entry.family} runs {_names(known)}"
        )
    return known[name]


def _names(classes: Mapping[str, Any]) -> str:
    return " or ".join(sorted(classes)) or "no pipeline"
