"""Make one group of all ranks with torch, split the transformers over it, and agree on when to stop.

diffusers splits the tokens of a video (context parallelism, the kind of Ulysses): every rank has all weights,
runs all layers on its part of the tokens, and in each attention the ranks exchange tokens for heads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from diffusers import ContextParallelConfig, ParallelConfig
from diffusers.hooks.context_parallel import apply_context_parallel, remove_context_parallel
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from predictor.models.pipelines.denoising.steps import TRANSFORMERS

# Longer than any step. A rank that waits longer for another one fails, and with it the predictor.
WAIT = timedelta(minutes=30)
LAST = "proj_out"  # the layer after which the ranks exchange what they have made
MESH = ("ring", "ulysses")  # the names that diffusers gives its dimensions


def join(rank: int, count: int, file: Path, device: str) -> None:
    """Meet the other ranks at a file and connect to them. They are processes of one machine."""
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        os.environ.setdefault(name, "lo")
    # gloo carries what the CPU decides, such as the stop; NCCL carries what is on GPUs.
    backend = "cpu:gloo,cuda:nccl" if device.startswith("cuda") else "cpu:gloo"
    dist.init_process_group(backend, init_method=f"file://{file}", rank=rank, world_size=count, timeout=WAIT)
    if device.startswith("cuda"):
        torch.cuda.set_device(device)


def split(pipe: Any, count: int, device: str) -> None:
    """Split the transformers of a pipeline over all ranks, before it is placed on its device."""
    mesh = init_device_mesh(torch.device(device).type, (1, count), mesh_dim_names=MESH)
    for transformer in _transformers(pipe):
        context = ContextParallelConfig(ulysses_degree=count, mesh=mesh)
        if device == "cpu":
            _resolve_on_cpu(transformer, mesh)
        transformer.enable_parallelism(config=ParallelConfig(context_parallel_config=context))
    dist.all_reduce(torch.zeros(1, device=device), group=mesh.get_group("ulysses"))  # fails here or never


@contextmanager
def rewrapped(pipe: Any) -> Iterator[None]:
    """Let adapters be loaded inside: one for the last layer wraps it, and the exchange comes after both."""
    for transformer in _transformers(pipe):
        remove_context_parallel(transformer, _last_layer(transformer))
    try:
        yield
    finally:
        for transformer in _transformers(pipe):
            context = transformer._parallel_config.context_parallel_config
            apply_context_parallel(transformer, context, _last_layer(transformer))


def agree(stop: bool) -> bool:
    """Return rank 0's decision, on every rank. All ranks call it at the same point."""
    flag = torch.tensor([stop], dtype=torch.uint8)
    dist.broadcast(flag, src=0)
    return bool(flag.item())


def _transformers(pipe: Any) -> list[Any]:
    return list(filter(None, (getattr(pipe, name, None) for name in TRANSFORMERS)))


def _last_layer(transformer: Any) -> dict[str, Any]:
    return {LAST: transformer._cp_plan[LAST]}


def _resolve_on_cpu(transformer: Any, mesh: DeviceMesh) -> None:
    """Let diffusers take the CPU as a device: it counts accelerators, and would divide by their number."""

    def resolve(config: ParallelConfig) -> ParallelConfig:
        config.setup(dist.get_rank(), dist.get_world_size(), torch.device("cpu"), mesh=mesh)
        transformer._parallel_config = config
        return config

    transformer._resolve_parallel_config = resolve
