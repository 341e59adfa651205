"""Small adapters (LoRAs) with random weights for a transformer on disk, and entries that name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from eventing.contract.catalog import LoraEntry

RANK = 4
MODULES = ("to_q", "to_v", "ff.net.2", "ffn.net.2")  # ends of the names of linear layers that are adapted
Tensor = NDArray[np.float32]


def write_adapter(
    transformer: Path,
    file: Path,
    seed: int = 0,
    modules: Sequence[str] = MODULES,
    more: Mapping[str, Tensor] = {},
) -> Path:
    """Write an adapter for the transformer in a folder, with `more` tensors in its file; return the file."""
    weights = load_file(transformer / "diffusion_pytorch_model.safetensors")
    noise = np.random.default_rng(seed)
    tensors: dict[str, Tensor] = {}
    for name, weight in sorted(weights.items()):
        layer = name.removesuffix(".weight")
        if layer != name and layer.endswith(tuple(modules)):
            sides = {"lora_A": (RANK, weight.shape[1]), "lora_B": (weight.shape[0], RANK)}
            for side, shape in sides.items():
                tensors[f"transformer.{layer}.{side}.weight"] = noise.standard_normal(shape, np.float32)
    assert tensors, f"{transformer} has none of {modules}"
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({**tensors, **more}, file)
    return file


def entry(name: str, file: Path, *models: str, **fields: Any) -> LoraEntry:
    """The entry of an adapter for these models; the tiny one if there are none."""
    required = {"title": name, "models": models or ("tiny",), "licence": "Apache-2.0"}
    place = {"folder": str(file.parent), "file": file.name}
    return LoraEntry.model_validate({"kind": "lora", "name": name} | required | place | fields)
