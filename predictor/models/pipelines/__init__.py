"""Run a diffusers model in three stages, one file per family.

`base.py` holds what all families share, a family's file what is special to it. The stages are separate calls
so that progress, cancellation and timings can name the stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from eventing.contract.catalog import Task
from eventing.contract.records.models import GenerationSpec
from predictor.models.loras import LoraFiles
from predictor.models.sound import Waveform

OnStep = Callable[[int, int], None]  # (steps done, steps in total); may raise to stop
Check = Callable[[], None]  # raises to stop
Take = Callable[[NDArray[np.uint8]], None]  # frames in their order: (frames, height, width, 3), RGB
Latents = Any  # what the steps of a family leave and its decoders take: a tensor, or several


@dataclass(frozen=True)
class Pictures:
    """The pictures that a video starts and ends with, RGB and of the video's size.

    `strength` from 0 to 1 is how strictly the video keeps to them; None leaves it to the model.
    """

    image: Image.Image | None = None
    last_image: Image.Image | None = None
    strength: float | None = None

    @property
    def task(self) -> Task:
        """Return the task that these pictures ask for."""
        if self.last_image is not None:
            return Task.first_last
        return Task.text if self.image is None else Task.image


NO_PICTURES = Pictures()


class Pipeline(Protocol):
    """What the generation needs from a model."""

    tokenizer: Any
    vae_decoder: torch.nn.Module
    blocks: Iterable[torch.nn.Module]  # of the transformer, each much shorter than a step

    def require_exact(self, spec: GenerationSpec) -> None:
        """Raise InvalidRequest if the model would round the frame count or the size of a spec."""

    def adapt(self, spec: GenerationSpec, loras: Sequence[tuple[LoraFiles, float]]) -> None:
        """Turn on the adapters of a job, each with its scale, and no others. Raises AdapterUnavailable."""

    def encode_prompt(self, spec: GenerationSpec) -> dict[str, Any]:
        """Turn the prompts into embeddings: keyword arguments for `denoise`."""

    def denoise(
        self, spec: GenerationSpec, embeds: dict[str, Any], on_step: OnStep, pictures: Pictures = NO_PICTURES
    ) -> Latents:
        """Turn embeddings into latents. Calls `on_step` after every step."""

    def prepare_previews(self) -> None:
        """Make `preview` return pictures, if the model can."""

    def preview(self, spec: GenerationSpec) -> NDArray[np.uint8] | None:
        """Return a small picture, RGB, of what the step that called `on_step` expects; None without one."""

    def decode(self, spec: GenerationSpec, latents: Latents) -> NDArray[np.uint8]:
        """Turn latents into RGB frames: uint8, (frames, height, width, 3)."""

    def stream(self, spec: GenerationSpec, latents: Latents, take: Take) -> None:
        """Decode like `decode`, and pass on every frame as soon as it is finished."""

    def decode_sound(self, spec: GenerationSpec, latents: Latents) -> Waveform | None:
        """Turn latents into sound; called for models whose entry has sound, if the request wants it."""

    def release(self) -> None:
        """Free the memory of a job, also of one that was stopped."""


@contextmanager
def checked(modules: Iterable[torch.nn.Module], check: Check) -> Iterator[None]:
    """Call `check` before every forward pass of each module, so that it can stop the work between two.

    A transformer runs block after block in every step, and a VAE decodes in chunks.
    """
    with ExitStack() as hooks:
        for module in modules:
            hook = module.register_forward_pre_hook(lambda _module, _inputs: check())
            hooks.callback(hook.remove)
        yield
