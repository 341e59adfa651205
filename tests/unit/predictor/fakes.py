"""A pipeline that makes grey frames and does at each step what a test asks for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from eventing.contract.catalog import CatalogEntry
from predictor.models.loading import LoadedModel


class FakePipeline:
    """The protocol of predictor.models.pipelines, with `at_step` and `at_decode` to interfere."""

    def __init__(self) -> None:
        self.vae_decoder = torch.nn.Identity()
        self.blocks = [torch.nn.Identity()]
        self.at_step: Callable[[int], None] = lambda _done: None
        self.at_decode: Callable[[], None] = lambda: None
        self.at_preview: Callable[[], Any] = lambda: None
        self.released = 0
        self.threads: set[int] = set()

    def tokenizer(self, prompt: str, **_options: Any) -> Any:
        return SimpleNamespace(input_ids=prompt.split())

    def require_exact(self, _spec: Any) -> None:
        """Make every frame count and size."""

    def adapt(self, _spec: Any, _loras: Any) -> None:
        """Have no adapters."""

    def encode_prompt(self, _spec: Any) -> dict[str, Any]:
        self.threads.add(threading.get_ident())
        return {}

    def denoise(
        self, spec: Any, _embeds: Any, on_step: Callable[[int, int], None], _pictures: Any = None
    ) -> Any:
        for done in range(1, spec.num_inference_steps + 1):
            self.at_step(done)
            on_step(done, spec.num_inference_steps)
        return torch.zeros(1)

    def prepare_previews(self) -> None:
        """Have what `at_preview` returns."""

    def preview(self, _spec: Any) -> Any:
        return self.at_preview()

    def decode(self, spec: Any, latents: Any) -> Any:
        self.at_decode()
        self.vae_decoder(latents)
        return np.full((spec.num_frames, spec.height, spec.width, 3), 128, dtype=np.uint8)

    def stream(self, spec: Any, latents: Any, take: Callable[[Any], None]) -> None:
        for frame in self.decode(spec, latents):
            take(frame[None])

    def release(self) -> None:
        self.released += 1


def loaded(entry: CatalogEntry, pipeline: Any) -> LoadedModel:
    return LoadedModel(entry, pipeline, "fake", "cpu", None)
