"""One file per diffusers family, each complete in itself, and the few steps they all share.

A family's class has `load(folder, entry, device)` and the three stages `encode_prompt`, `denoise` and
`decode`. The stages are apart so that progress, cancelling and timings know where a job is.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from eventing.contract.catalog import CatalogEntry
from eventing.contract.errors import BrokenFrames
from eventing.contract.models import GenerationSpec

OnStep = Callable[[int, int], None]  # (steps done, steps in all); may raise to stop
Check = Callable[[], None]  # raises to stop


class Pipeline(Protocol):
    """What the story in generate.py needs of a model."""

    tokenizer: Any
    vae_decoder: torch.nn.Module

    def encode_prompt(self, spec: GenerationSpec) -> dict[str, Any]:
        """Text to embeddings, as keyword arguments for the pipeline."""

    def denoise(self, spec: GenerationSpec, embeds: dict[str, Any], on_step: OnStep) -> torch.Tensor:
        """Embeddings to latents; `on_step` is called after every step."""

    def decode(self, spec: GenerationSpec, latents: torch.Tensor) -> NDArray[np.uint8]:
        """Latents to RGB frames, uint8, (frames, height, width, 3)."""

    def release(self) -> None:
        """Give back the memory that a job took, also one that was cut short."""


def from_folder(
    kind: type[Any], folder: Path, entry: CatalogEntry, device: str, **dtypes: torch.dtype
) -> Any:
    """Load a pipeline of this diffusers class on its device, as the catalog says. Uses no network.

    `dtypes` are for components that need another precision than the catalog's.
    """
    dtype = {"default": getattr(torch, entry.dtype), **dtypes}
    pipe = kind.from_pretrained(folder, dtype=dtype, local_files_only=True, use_safetensors=True)
    pipe.set_progress_bar_config(disable=True)
    if entry.vae_tiling:
        pipe.vae.enable_tiling()
    if device == "cpu" or entry.offload == "none":
        return pipe.to(device)
    if entry.offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    else:
        pipe.enable_sequential_cpu_offload(device=device)
    return pipe


def generator(spec: GenerationSpec, stream: int = 0) -> torch.Generator:
    """Noise from the CPU, so that a seed means the same on every device.

    A second `stream` of the same job gets other numbers; seeds end below 2**32.
    """
    return torch.Generator("cpu").manual_seed(spec.seed + stream * 2**32)


def step_callback(spec: GenerationSpec, on_step: OnStep) -> Callable[..., dict[str, Any]]:
    """A diffusers `callback_on_step_end` that reports the step."""

    def after_step(_pipe: Any, index: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        latents: torch.Tensor = tensors["latents"]
        if latents.is_cuda:
            # Kernels are only queued here: without waiting, progress and cancel would run ahead of the GPU.
            torch.cuda.synchronize(latents.device)
        on_step(index + 1, spec.num_inference_steps)
        return {}

    return after_step


def require_finite(tensor: torch.Tensor, what: str) -> None:
    """Raise BrokenFrames if there is a NaN or an infinity in the tensor."""
    if not bool(torch.isfinite(tensor).all()):
        raise BrokenFrames(f"the model produced {what} that are not numbers; try another seed or precision")


def to_frames(video: torch.Tensor) -> NDArray[np.uint8]:
    """A decoded (1, 3, frames, height, width) tensor in -1..1 to uint8 RGB (frames, height, width, 3).

    Raises BrokenFrames. Rounds on the device, so that a quarter of the bytes crosses the bus.
    """
    require_finite(video, "pixels")
    pixels = (video[0].float() / 2 + 0.5).clamp_(0, 1).mul_(255).round_().to(torch.uint8)
    frames: NDArray[np.uint8] = pixels.permute(1, 2, 3, 0).contiguous().cpu().numpy()
    return frames


def release(pipe: Any) -> None:
    """Move offloaded parts back to the CPU and return cached blocks, so that the next job starts alike."""
    pipe.maybe_free_model_hooks()
    if torch.cuda.is_initialized():
        gc.collect()  # a traceback may still hold tensors in a cycle
        torch.cuda.empty_cache()


@contextmanager
def checked(module: torch.nn.Module, check: Check) -> Iterator[None]:
    """Run `check` before every call of a module: VAEs decode in chunks, so a long decode can be stopped."""
    hook = module.register_forward_pre_hook(lambda _module, _inputs: check())
    try:
        yield
    finally:
        hook.remove()
