"""Run a diffusers model in three stages, one file per family.

`base.py` holds what all families share, a family's file what is special to it. The stages are separate calls
so that progress, cancellation and timings can name the stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from eventing.contract.models import GenerationSpec

OnStep = Callable[[int, int], None]  # (steps done, steps in total); may raise to stop
Check = Callable[[], None]  # raises to stop


class Pipeline(Protocol):
    """What the generation needs from a model."""

    tokenizer: Any
    vae_decoder: torch.nn.Module

    def require_exact(self, spec: GenerationSpec) -> None:
        """Raise InvalidRequest if the model would round the frame count or the size of a spec."""

    def encode_prompt(self, spec: GenerationSpec) -> dict[str, Any]:
        """Turn the prompts into embeddings: keyword arguments for `denoise`."""

    def denoise(self, spec: GenerationSpec, embeds: dict[str, Any], on_step: OnStep) -> torch.Tensor:
        """Turn embeddings into latents. Calls `on_step` after every step."""

    def decode(self, spec: GenerationSpec, latents: torch.Tensor) -> NDArray[np.uint8]:
        """Turn latents into RGB frames: uint8, (frames, height, width, 3)."""

    def release(self) -> None:
        """Free the memory of a job, also of one that was stopped."""


@contextmanager
def checked(module: torch.nn.Module, check: Check) -> Iterator[None]:
    """Call `check` before every forward pass of a module.

    A VAE decodes in chunks, so a long decode can be stopped between two of them.
    """
    hook = module.register_forward_pre_hook(lambda _module, _inputs: check())
    try:
        yield
    finally:
        hook.remove()
