"""Paint a small picture of the video that a step of denoising expects.

The colours of a latent are a linear map of its channels. The map is learnt from the VAE itself, once after
the load: it encodes a picture of random colours, and least squares find them again. A VAE whose latents do
not tell the colours has no preview.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import MethodType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

CELLS = 16  # latents of a side of the picture to learn from
RATIOS = ("vae_scale_factor_spatial", "vae_spatial_scale_factor", "vae_spatial_compression_ratio")
EXPLAINED = 0.5  # least share of the variance of the colours that a useful map explains
RIDGE = 1e-3  # of the mean variance of the channels: keeps the weights of useless channels small
SEED = 0
Painter = Callable[[torch.Tensor], torch.Tensor]  # latents (channels, h, w) to RGB (3, h, w), -1..1
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StepCall:
    """The latest call of a scheduler's `step`: model output, timestep and sample, and what it returned."""

    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]

    def flow_estimate(self) -> torch.Tensor:
        """Return the video of a flow that goes straight from noise (timestep 1000) to it (0)."""
        velocity, timestep, sample = self.inputs[:3]
        estimate: torch.Tensor = sample - timestep.to(sample) / 1000 * velocity.to(sample)
        return estimate


class StepTap:
    """Stands in for the `step` of a scheduler and keeps its latest call."""

    def __init__(self, scheduler: Any) -> None:
        self._scheduler, self._step = scheduler, scheduler.step
        self.latest: StepCall | None = None
        functools.update_wrapper(self, scheduler.step)  # pipelines look at its parameters

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Make the step."""
        outputs = self._step(*inputs, **options)
        self.latest = StepCall(inputs, outputs)
        return outputs

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Return the plain step of the copy: LTX-2 copies its scheduler for the sound."""
        return MethodType(type(self._scheduler).step, memo[id(self._scheduler)])


@contextmanager
def tapped(scheduler: Any) -> Iterator[StepTap]:
    """Keep the latest call of the steps that are made inside."""
    tap = StepTap(scheduler)
    scheduler.step = tap
    try:
        yield tap
    finally:
        del scheduler.step


def painted(painter: Painter, latents: torch.Tensor) -> NDArray[np.uint8]:
    """Return the middle frame of latents (1, channels, frames, h, w) as RGB (h, w, 3): one small copy."""
    colours = painter(latents[0, :, latents.shape[2] // 2].float())
    pixels = (colours.nan_to_num() / 2 + 0.5).clamp(0, 1).mul(255).round().to(torch.uint8)
    frame: NDArray[np.uint8] = pixels.permute(1, 2, 0).contiguous().cpu().numpy()
    return frame


def learn(pipe: Any) -> Painter | None:
    """Return the map from a pipeline's VAE to colours; None if no linear map finds them.

    Encodes one picture of 16x16 latents.
    """
    pixels: int = next(getattr(pipe, name) for name in RATIOS if hasattr(pipe, name))
    vae, device = pipe.vae, pipe._execution_device
    picture = _random_colours(CELLS * pixels)
    clip = picture[None, :, None].to(device, vae.dtype)  # of one frame
    latents = vae.encode(clip).latent_dist.mode()[0, :, 0].double().cpu().nan_to_num()
    colours = functional.adaptive_avg_pool2d(picture.double(), latents.shape[1:])
    weights, bias, explained = _least_squares(latents.flatten(1).T, colours.flatten(1).T)
    if explained < EXPLAINED:
        log.info("no preview: the latents do not tell the colours", extra={"explained": round(explained, 3)})
        return None
    return functools.partial(_mapped, weights.T.float().to(device), bias.float().to(device))


def _mapped(weights: torch.Tensor, bias: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
    return torch.einsum("rc,chw->rhw", weights, latents) + bias[:, None, None]


def _least_squares(samples: torch.Tensor, known: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Return weights, bias and the share of the variance that they explain."""
    centre, mean = samples.mean(0), known.mean(0)
    centred, wanted = samples - centre, known - mean
    products = centred.T @ centred
    ridge = RIDGE * products.diagonal().mean() * torch.eye(len(products), dtype=products.dtype)
    weights = torch.linalg.lstsq(products + ridge, centred.T @ wanted).solution
    left = (wanted - centred @ weights).square().sum() / wanted.square().sum()
    return weights, mean - centre @ weights, float(1 - left)


def _random_colours(side: int) -> torch.Tensor:
    """Return a picture (3, side, side) in -1..1: soft patches of colour, large and small."""
    random = torch.Generator().manual_seed(SEED)
    picture = torch.zeros(3, side, side)
    for cells, share in ((4, 0.6), (CELLS, 0.4)):
        patches = torch.rand(1, 3, cells, cells, generator=random) * 2 - 1
        picture += share * functional.interpolate(patches, size=(side, side), mode="bilinear")[0]
    return picture.mul(1.5).clamp(-1, 1)
