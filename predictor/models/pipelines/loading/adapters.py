"""Load adapters (LoRAs) into the transformers of a pipeline once, and turn on those of one job.

diffusers leaves out tensors that it does not know, and says so in a log only. Here every tensor of the file
must be in the model afterwards, unless it is all zeros and so changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from diffusers.utils import convert_unet_state_dict_to_peft
from safetensors.torch import load_file

from eventing.contract.errors import AdapterUnavailable
from predictor.models.loras import LoraFiles, unavailable
from predictor.models.pipelines.loading.parts import listed

PARTS = ("transformer", "transformer_2", "connectors")  # of a pipeline, which may have adapters
ALPHA = ".alpha"  # end of the name of a factor, by which the tensors beside it are multiplied


def turn_off(pipes: Iterable[Any]) -> None:
    """Turn off every adapter in the parts of these pipelines."""
    for part in (part for pipe in pipes for part in _parts(pipe).values()):
        if _loaded(part):
            part.disable_lora()


def change_any(parts: Iterable[Any]) -> bool:
    """Tell whether one of these parts has an adapter, on or off."""
    return any(_loaded(part) for part in parts)


def missing(pipe: Any, adapters: Sequence[LoraFiles]) -> list[LoraFiles]:
    """Return those of the adapters that some part of the pipeline has not loaded yet."""
    parts = _parts(pipe)
    return [
        files
        for files in adapters
        if any(part not in parts or files.name not in _loaded(parts[part]) for part in files.paths)
    ]


def load(pipe: Any, adapters: Sequence[LoraFiles]) -> None:
    """Load adapters. Raises AdapterUnavailable naming the file; then none of them is in any part.

    Offloading may be off afterwards: the pipeline must be placed again.
    """
    import_module("torch.distributed.tensor")  # peft takes for granted that something has imported it
    try:
        for files in adapters:
            _load_files(pipe, files)
    except BaseException:
        _forget(pipe, [files.name for files in adapters])
        raise


def turn_on(pipe: Any, scales: Mapping[str, float]) -> None:
    """Turn on these adapters, which are loaded, each with its scale."""
    for part in _parts(pipe).values():
        if names := [name for name in scales if name in _loaded(part)]:
            part.enable_lora()
            part.set_adapters(names, [scales[name] for name in names])


def _forget(pipe: Any, names: Sequence[str]) -> None:
    for part in _parts(pipe).values():
        if present := [name for name in names if name in _loaded(part)]:
            part.delete_adapters(present)


def _load_files(pipe: Any, files: LoraFiles) -> None:
    for part, path in files.paths.items():
        try:
            _load(pipe, part, path, files.name)
        except AdapterUnavailable:
            raise
        except Exception as error:
            raise unavailable(files.name, f"{path}: {_first_line(error)}") from error


def _load(pipe: Any, part: str, path: Path, name: str) -> None:
    if not hasattr(pipe, "load_lora_weights") or part not in _parts(pipe):
        raise unavailable(name, f"{path} is for a {part}, and {type(pipe).__name__} takes no adapter for one")
    tensors = load_file(path)
    converted = pipe.lora_state_dict(dict(tensors))
    if unused := _unused(tensors, converted):
        raise _unexpected(name, path, unused, pipe)
    second = {"load_into_transformer_2": True} if part == "transformer_2" else {}
    pipe.load_lora_weights(
        path.parent, weight_name=path.name, adapter_name=name, local_files_only=True, **second
    )
    if unknown := sorted(set(_as_peft(converted)) - _present(pipe, part, name)):
        raise _unexpected(name, path, unknown, pipe)


def _unused(tensors: Mapping[str, torch.Tensor], converted: Mapping[str, torch.Tensor]) -> list[str]:
    """Return the tensors of a file that diffusers leaves out when it converts the file to its own names.

    It hands on a tensor as it is, or multiplies it by the alpha beside it.
    """
    kept = {id(tensor) for tensor in converted.values()}
    scaled = tuple(name.removesuffix(ALPHA) + "." for name in tensors if name.endswith(ALPHA))
    return [
        name
        for name, tensor in sorted(tensors.items())
        if id(tensor) not in kept
        and not (name.startswith(scaled) and (name.endswith(ALPHA) or ".lora_" in name))
        and bool(tensor.float().any())
    ]


def _as_peft(converted: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """Return tensors by the names that they get on loading, also from files of the oldest format."""
    if any("lora_A" in name for name in converted):
        return converted
    renamed: Mapping[str, torch.Tensor] = convert_unet_state_dict_to_peft(dict(converted))
    return renamed


def _present(pipe: Any, part: str, name: str) -> set[str]:
    """Return the names of an adapter's tensors in a pipeline, as diffusers names those of a file."""
    from peft.utils import get_peft_model_state_dict  # noqa: PLC0415 - takes a second; most jobs have none

    present = set()
    for other, module in _parts(pipe).items():
        if name in _loaded(module) and other in (part, "connectors"):
            prefix = "connectors" if other == "connectors" else "transformer"
            present |= {f"{prefix}.{key}" for key in get_peft_model_state_dict(module, adapter_name=name)}
    return present


def _unexpected(name: str, path: Path, tensors: list[str], pipe: Any) -> AdapterUnavailable:
    kind = type(pipe).__name__
    return unavailable(name, f"{path} has {listed(tensors)}, which {kind} does not know")


def _parts(pipe: Any) -> dict[str, Any]:
    parts = {name: getattr(pipe, name, None) for name in PARTS}
    return {name: part for name, part in parts.items() if part is not None}


def _loaded(part: Any) -> Mapping[str, Any]:
    """Return the adapters in a part, by name."""
    adapters: Mapping[str, Any] = getattr(part, "peft_config", None) or {}
    return adapters


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
