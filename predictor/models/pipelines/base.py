"""Do what is the same in every family: load a folder, encode text, denoise with progress, release memory."""

from __future__ import annotations

import gc
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from eventing.contract.catalog import CatalogEntry
from eventing.contract.models import GenerationSpec
from predictor.models.grid import Grid
from predictor.models.pipelines import OnStep
from predictor.models.pipelines.tensors import require_finite

WITH_MASKS = (
    "prompt_embeds",
    "prompt_attention_mask",
    "negative_prompt_embeds",
    "negative_prompt_attention_mask",
)


class DiffusersFamily(ABC):
    """One text-to-video pipeline of diffusers, split into stages. A subclass says what is special to it."""

    PIPELINE: ClassVar[type[Any]]
    # Components that need another precision than the catalog's.
    DTYPES: ClassVar[Mapping[str, torch.dtype]] = {}
    # Names of what the pipeline's encode_prompt returns, in its order.
    EMBEDDINGS: ClassVar[tuple[str, ...]] = ("prompt_embeds", "negative_prompt_embeds")

    def __init__(self, pipe: Any, entry: CatalogEntry) -> None:
        self.pipe = pipe
        self.tokenizer = pipe.tokenizer
        self.vae_decoder: torch.nn.Module = pipe.vae.decoder
        self.text_length = entry.max_prompt_tokens
        self.grid = self._grid()
        self.grid.require_entry(entry)

    @classmethod
    def load(cls, folder: Path, entry: CatalogEntry, device: str) -> Self:
        """Load from a folder onto a device. Raises ModelUnavailable if the entry does not fit the model."""
        return cls(from_folder(cls.PIPELINE, folder, entry, device, cls.DTYPES), entry)

    def require_exact(self, spec: GenerationSpec) -> None:
        """Raise InvalidRequest if the model would round the frame count or the size of a spec."""
        self.grid.require_spec(spec)

    @torch.inference_mode()
    def encode_prompt(self, spec: GenerationSpec) -> dict[str, Any]:
        """Encode the prompt, and the negative prompt if guidance uses it."""
        tensors = self.pipe.encode_prompt(
            spec.prompt,
            spec.negative_prompt,
            do_classifier_free_guidance=spec.guidance_scale > 1,
            max_sequence_length=self.text_length,
        )
        return dict(zip(self.EMBEDDINGS, tensors, strict=True))

    @torch.inference_mode()
    def denoise(self, spec: GenerationSpec, embeds: dict[str, Any], on_step: OnStep) -> torch.Tensor:
        """Run the diffusion steps. Raises BrokenFrames if the latents are not finite."""
        latents: torch.Tensor = self.pipe(
            **embeds,
            **self._options(spec),
            width=spec.width,
            height=spec.height,
            num_frames=spec.num_frames,
            num_inference_steps=spec.num_inference_steps,
            guidance_scale=spec.guidance_scale,
            generator=generator(spec),
            max_sequence_length=self.text_length,
            output_type="latent",
            callback_on_step_end=step_callback(spec, on_step),
        ).frames
        require_finite(latents, "latents")
        return latents

    @abstractmethod
    def decode(self, spec: GenerationSpec, latents: torch.Tensor) -> NDArray[np.uint8]:
        """Turn latents into RGB frames: uint8, (frames, height, width, 3)."""

    def release(self) -> None:
        """Move offloaded parts back to the CPU and free cached blocks, so that every job starts the same."""
        self.pipe.maybe_free_model_hooks()
        if torch.cuda.is_initialized():
            gc.collect()  # a traceback may still hold tensors in a cycle
            torch.cuda.empty_cache()

    @abstractmethod
    def _grid(self) -> Grid:
        """Return the frame counts and sizes that the model makes without rounding."""

    def _options(self, _spec: GenerationSpec) -> dict[str, Any]:
        """Return further keyword arguments of the pipeline's call."""
        return {}


def from_folder(
    kind: type[Any], folder: Path, entry: CatalogEntry, device: str, dtypes: Mapping[str, torch.dtype]
) -> Any:
    """Load a pipeline of this diffusers class onto its device, without network, with the entry's options."""
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
    """Draw noise on the CPU, so that a seed gives the same noise on every device.

    Another `stream` of the same job gets other numbers: seeds are below 2**32.
    """
    return torch.Generator("cpu").manual_seed(spec.seed + stream * 2**32)


def step_callback(spec: GenerationSpec, on_step: OnStep) -> Callable[..., dict[str, Any]]:
    """Return a diffusers `callback_on_step_end` that reports steps out of `num_inference_steps`.

    A second-order scheduler (Heun) calls it almost twice per step, so the index is scaled to that number.
    """
    total = spec.num_inference_steps

    def after_step(pipe: Any, index: int, _timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        latents: torch.Tensor = tensors["latents"]
        if latents.is_cuda:
            # Kernels are only queued here: without waiting, progress and cancel would run ahead of the GPU.
            torch.cuda.synchronize(latents.device)
        on_step(min(total, (index + 1) * total // len(pipe.scheduler.timesteps)), total)
        return {}

    return after_step
