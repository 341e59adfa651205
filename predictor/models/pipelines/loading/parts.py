"""Load the models of a folder one by one, and require that every tensor of each came from its file.

Loaded as a whole, a pipeline fills tensors that are missing with random numbers, and says so in a log only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from diffusers.models.modeling_utils import no_init_weights

from eventing.contract.errors import ModelUnavailable
from eventing.contract.storage.weights import WEIGHTS, read_object
from predictor.models.pipelines.loading import loaders

INDEX = "model_index.json"
SHOWN = 3  # tensors named in a message; more are only counted


def load_models(folder: Path, dtypes: Mapping[str, torch.dtype]) -> dict[str, Any]:
    """Load every component that has weights, by name. Raises ModelUnavailable naming file and tensor."""
    return {
        name: load_model(folder / name, library, kind, dtypes.get(name, dtypes["default"]))
        for name, library, kind in _models(folder)
    }


def require_scheduler(folder: Path, flow: bool) -> None:
    """Raise ModelUnavailable if the scheduler is of another class than the index says, or of another kind.

    A model of flow matching (`flow`) makes noise with other schedulers, and the others with those of flow.
    """
    index, path = folder / INDEX, folder / "scheduler" / "scheduler_config.json"
    named = read_object(index).get("scheduler")
    config = read_object(path)
    kind = config.get("_class_name", named[1] if isinstance(named, list) else None)
    if isinstance(named, list) and kind != named[1]:
        raise ModelUnavailable(f"{path} is of the class {kind}, but {index} names {named[1]}")
    if _is_flow(config, str(kind)) != flow:
        wanted = "one of flow matching" if flow else "one without flow matching"
        raise ModelUnavailable(f"{path} is of the class {kind} as it is set; this model needs {wanted}")


def _is_flow(config: Mapping[str, Any], kind: str) -> bool:
    by_option = config.get("use_flow_sigmas") is True or config.get("prediction_type") == "flow_prediction"
    return kind.startswith("FlowMatch") or by_option


def _models(folder: Path) -> Iterator[tuple[str, str, type[Any]]]:
    """Yield name, library and class of the components that are models."""
    index = folder / INDEX
    for name, named in read_object(index).items():
        if name.startswith("_") or not isinstance(named, list) or named == [None, None]:
            continue
        library, class_name = named
        kind = _class(library, class_name)
        if kind is None:
            raise ModelUnavailable(
                f"{index} says that {name} is of the class {class_name}, which {library} does not have"
            )
        if issubclass(kind, torch.nn.Module):
            yield name, library, kind


def _class(library: str, name: str) -> type[Any] | None:
    """Return a class of diffusers, of transformers, or of the module of one pipeline of diffusers."""
    known = library in ("diffusers", "transformers")
    try:
        module = import_module(library if known else f"diffusers.pipelines.{library}")
    except ImportError:
        return None
    kind = getattr(module, name, None)
    return kind if isinstance(kind, type) else None


def load_model(folder: Path, library: str, kind: type[Any], dtype: torch.dtype) -> Any:
    """Load one model, every tensor from its file. Raises ModelUnavailable naming file and tensor."""
    with no_init_weights():  # each tensor is read, or the load fails
        model, info = kind.from_pretrained(
            folder, dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    name = WEIGHTS.get(library, WEIGHTS["diffusers"])
    file = folder / name if (folder / name).is_file() else folder / f"{name}.index.json"
    if missing := sorted(info["missing_keys"]):
        raise ModelUnavailable(f"{file} has no {listed(missing)}, which {kind.__name__} needs")
    if unexpected := sorted(info["unexpected_keys"]):
        raise ModelUnavailable(f"{file} has {listed(unexpected)}, which {kind.__name__} does not know")
    loaders.fill(model, file)
    return model


def listed(tensors: list[str]) -> str:
    """Name some tensors in a message."""
    more = len(tensors) - SHOWN
    names = ", ".join(tensors[:SHOWN])
    return f"tensor {names}" + (f" and {more} more" if more > 0 else "")
