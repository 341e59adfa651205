"""Run a pipeline on all ranks. Rank 0 encodes the prompt and decodes; all ranks run the steps together.

A rank must leave the steps where all others do: one that waits for another in an exchange of tokens waits for
ever. So a cancel takes effect at the end of a step, where rank 0 decides for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eventing.contract.errors import DeviceLost, InvalidRequest, ModelUnavailable
from eventing.contract.records.models import GenerationSpec
from predictor.models.loras import LoraFiles
from predictor.models.pipelines import NO_PICTURES, Latents, OnStep, Pictures, Take
from predictor.models.pipelines.base import DiffusersFamily
from predictor.models.ranks import group
from predictor.models.ranks.messages import PATIENCE, Report, Settled, Video
from predictor.models.ranks.processes import Ranks
from predictor.models.sound import Waveform


class SharedPipeline:
    """The pipeline of rank 0, in front of those of all ranks."""

    def __init__(self, family: DiffusersFamily, ranks: Ranks) -> None:
        self._family = family
        self._ranks = ranks
        self.tokenizer = family.tokenizer
        self.vae_decoder = family.vae_decoder
        self._loras: tuple[tuple[LoraFiles, float], ...] = ()  # of the job
        self.blocks: Iterable[torch.nn.Module] = ()  # no rank may stop alone in the middle of a step

    def require_exact(self, spec: GenerationSpec) -> None:
        """Raise InvalidRequest if the model would round the spec, or the ranks cannot share it."""
        self._family.require_exact(spec)
        tokens = self._family.tokens(spec.num_frames, spec.width, spec.height)
        if tokens % self._ranks.count:
            raise InvalidRequest(
                f"{spec.model} cannot make {spec.num_frames} frames of {spec.width}x{spec.height}: "
                f"{self._ranks.count} GPUs cannot share {tokens} tokens; "
                f"take a width that is a multiple of {self._family.grid.pixels * self._ranks.count}",
                field="width",
            )

    def adapt(self, spec: GenerationSpec, loras: Sequence[tuple[LoraFiles, float]]) -> None:
        """Turn on the adapters of a job on rank 0. The other ranks do so before the steps."""
        _adapt(self._family, spec, loras)
        self._loras = tuple(loras)

    def encode_prompt(self, spec: GenerationSpec) -> dict[str, Any]:
        """Encode the prompts on rank 0."""
        return self._family.encode_prompt(spec)

    def denoise(
        self, spec: GenerationSpec, embeds: dict[str, Any], on_step: OnStep, pictures: Pictures = NO_PICTURES
    ) -> Latents:
        """Run the steps on all ranks. Raises DeviceLost if they are no longer at the same point."""
        self._ranks.send(Video(spec, self._loras, _moved(embeds, "cpu"), pictures))
        try:
            latents = self._family.denoise(spec, embeds, _deciding(on_step), pictures)
        except Exception as error:
            self._reports(error)
            self._ranks.send(Settled())
            raise
        for report in self._reports():
            if report.failure:
                raise self._ranks.lost(f"rank {report.rank} failed alone: {report.failure}")
        return latents

    def prepare_previews(self) -> None:
        """Make `preview` return pictures, if the model can. Rank 0 makes them."""
        self._family.prepare_previews()

    def preview(self, spec: GenerationSpec) -> NDArray[np.uint8] | None:
        """Return a small picture of what the step expects; every rank has its latents."""
        return self._family.preview(spec)

    def decode(self, spec: GenerationSpec, latents: Latents) -> NDArray[np.uint8]:
        """Turn latents into RGB frames on rank 0."""
        return self._family.decode(spec, latents)

    def stream(self, spec: GenerationSpec, latents: Latents, take: Take) -> None:
        """Decode on rank 0, and pass on every frame as soon as it is finished."""
        self._family.stream(spec, latents, take)

    def decode_sound(self, spec: GenerationSpec, latents: Latents) -> Waveform | None:
        """Turn latents into sound on rank 0."""
        return self._family.decode_sound(spec, latents)

    def release(self) -> None:
        """Free the memory of a job on rank 0. The other ranks do so after every video."""
        self._family.release()

    def _reports(self, error: Exception | None = None) -> list[Report]:
        try:
            return list(self._ranks.reports(self._ranks.count - 1, PATIENCE))
        except DeviceLost as loss:
            raise loss from error


class Follower:
    """The pipeline of another rank, which does what rank 0 decides."""

    def __init__(self, family: DiffusersFamily, device: str) -> None:
        self._family = family
        self._device = device

    def run(self, video: Video) -> int:
        """Run the steps of a video with all other ranks. Return how many were done before rank 0 stopped."""
        steps = _Steps()
        _adapt(self._family, video.spec, video.loras)
        try:
            self._family.denoise(video.spec, _moved(video.embeds, self._device), steps, video.pictures)
        except _Stopped:
            pass
        finally:
            self._family.release()
        return steps.done


class _Stopped(Exception):
    """Rank 0 stopped the video at the end of a step."""


class _Steps:
    """Counts the steps, and stops where rank 0 does."""

    def __init__(self) -> None:
        self.done = 0

    def __call__(self, done: int, _total: int) -> None:
        self.done = done
        if group.agree(stop=False):
            raise _Stopped


def _deciding(on_step: OnStep) -> OnStep:
    """Return an `on_step` that first lets all ranks know whether it raises."""

    def step(done: int, total: int) -> None:
        try:
            on_step(done, total)
        except BaseException:
            group.agree(stop=True)
            raise
        group.agree(stop=False)

    return step


def require_shares(family: DiffusersFamily, count: int) -> None:
    """Raise ModelUnavailable if so many ranks cannot share the model, or a size that its entry lists."""
    entry, heads = family.entry, family.heads()
    if heads % count:
        raise ModelUnavailable(
            f"the catalog entry {entry.name} asks for {count} GPUs, which cannot share the {heads} attention "
            f"heads of this model: set gpus to a divisor of {heads}"
        )
    rule = entry.frames
    for width, height in entry.sizes:
        for frames in range(rule.min, rule.max + 1, rule.multiple):
            if (tokens := family.tokens(frames, width, height)) % count:
                raise ModelUnavailable(
                    f"the catalog entry {entry.name} allows {frames} frames of {width}x{height}, but "
                    f"{count} GPUs cannot share {tokens} tokens: set gpus to a divisor of them, or leave "
                    "the size out"
                )


def _adapt(family: DiffusersFamily, spec: GenerationSpec, loras: Sequence[tuple[LoraFiles, float]]) -> None:
    with group.rewrapped(family.pipe):
        family.adapt(spec, loras)


def _moved(embeds: dict[str, Any], device: str) -> dict[str, Any]:
    return {
        name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in embeds.items()
    }
