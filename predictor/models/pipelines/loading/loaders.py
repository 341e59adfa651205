"""Read weights with another library than safetensors, where a setting names one.

A model is made with its weights mapped to their files, which reads nothing. Then the library reads the files,
and each tensor takes the place of the mapped one of its name. A library that is missing or broken leaves
weights mapped.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import torch

Tensors = Iterator[tuple[str, torch.Tensor]]
Read = Callable[[list[str], str], Tensors]  # files and device to tensors by name
log = logging.getLogger(__name__)


@dataclass
class Loader:
    """A library, and the device that it reads to. `works` is false from its first failure on."""

    name: str
    device: str
    works: bool = True


@contextmanager
def reading_with(name: str, device: str) -> Iterator[None]:
    """Let a library read the weights of the models that are loaded inside."""
    token = _loader.set(Loader(name, device))
    try:
        yield
    finally:
        _loader.reset(token)


def fill(model: torch.nn.Module, file: Path) -> None:
    """Read a model's weights to their device. `file` has them, or is the index of the files that do."""
    loader = _loader.get()
    if loader is None or not loader.works:
        return
    package, read = LIBRARIES[loader.name]
    known = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers())
    try:
        for name, tensor in read(_files(file), loader.device):
            target = known.get(name)
            if target is not None and target.shape == tensor.shape:
                target.data = tensor.to(loader.device, target.dtype)
    except Exception as error:
        loader.works = False
        log.warning(
            "weights are mapped to their files: the loader failed",
            extra={"loader": _installed(package), "cause": f"{type(error).__name__}: {error}"},
        )


def _files(file: Path) -> list[str]:
    if file.suffix != ".json":
        return [str(file)]
    shards = json.loads(file.read_text(encoding="utf-8"))["weight_map"].values()
    return [str(file.parent / name) for name in sorted(set(shards))]


def _installed(package: str) -> str:
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"{package}, which is not installed"


def _runai(files: list[str], device: str) -> Tensors:
    streamers: Any = import_module("runai_model_streamer")
    with streamers.SafetensorsStreamer() as streamer:
        streamer.stream_files(files, device=device)
        yield from streamer.get_tensors()


def _fastsafetensors(files: list[str], device: str) -> Tensors:
    library: Any = import_module("fastsafetensors")
    with library.fastsafe_open(files, device=device, nogds=True) as opened:
        for name in opened.keys():  # noqa: SIM118 - it is no mapping
            yield name, opened.get_tensor(name)


def _instanttensor(files: list[str], device: str) -> Tensors:
    library: Any = import_module("instanttensor")
    with library.safe_open(files, framework="pt", device=device) as opened:
        yield from opened.tensors()


# By the value of REELZERO_WEIGHTS_LOADER: the package, and how it reads.
LIBRARIES: dict[str, tuple[str, Read]] = {
    "runai": ("runai-model-streamer", _runai),
    "fastsafetensors": ("fastsafetensors", _fastsafetensors),
    "instanttensor": ("instanttensor", _instanttensor),
}
_loader: ContextVar[Loader | None] = ContextVar("loader", default=None)
