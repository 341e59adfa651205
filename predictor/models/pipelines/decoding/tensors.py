"""Check and convert what a VAE or a vocoder decodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eventing.contract.errors import BrokenFrames

AT_ONCE = 8  # frames that are numbers of 32 bits at the same time


def require_finite(tensor: torch.Tensor, what: str) -> None:
    """Raise BrokenFrames if the tensor holds a NaN or an infinity."""
    if not bool(torch.isfinite(tensor).all()):
        raise BrokenFrames(f"the model produced {what} that are not numbers; try another seed or precision")


def per_channel(latents: torch.Tensor, *values: Any) -> tuple[torch.Tensor, ...]:
    """Return lists with a value per channel in the form that fits latents (1, channels, …)."""
    return tuple(torch.as_tensor(value).view(1, -1, 1, 1, 1).to(latents) for value in values)


def unscaled(latents: torch.Tensor, mean: Any, std: Any, scale: float = 1.0) -> torch.Tensor:
    """Return latents (1, channels, …) to the VAE's own mean and deviation, given per channel."""
    mean, std = per_channel(latents, mean, std)
    restored: torch.Tensor = latents * std / scale + mean
    return restored


def to_frames(video: torch.Tensor) -> NDArray[np.uint8]:
    """Convert (1, 3, frames, height, width) in -1..1 to uint8 RGB (frames, height, width, 3).

    Raises BrokenFrames. Rounds on the device, so that a quarter of the bytes crosses the bus.
    """
    require_finite(video, "pixels")
    return np.concatenate([_rounded(part) for part in video[0].split(AT_ONCE, dim=1)])


def _rounded(video: torch.Tensor) -> NDArray[np.uint8]:
    pixels = (video.float() / 2 + 0.5).clamp_(0, 1).mul_(255).round_().to(torch.uint8)
    frames: NDArray[np.uint8] = pixels.permute(1, 2, 3, 0).contiguous().cpu().numpy()
    return frames


def to_samples(waveform: torch.Tensor) -> NDArray[np.float32]:
    """Convert (1, channels, samples) to float32 (channels, samples). Raises BrokenFrames."""
    require_finite(waveform, "samples of sound")
    samples: NDArray[np.float32] = waveform[0].float().cpu().numpy()
    return samples
