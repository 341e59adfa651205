"""Read the places and sizes of a clip from its starting noise: sums over the noise, each standard normal.

A diffusion model usually learns by itself which clip a noise becomes. Here the training fixes the pairing:
the places and sizes of a clip come from the noise that is added to it. The noise stays standard normal, and
the places keep their distribution. Noise and prompt now determine the clip, so the first step has nothing to
guess. Another seed still gives other places.
"""

import torch
from torch import Tensor

COUNT = 6  # x, y and size of the first thing, then those of the second


def dials(noise: Tensor) -> Tensor:
    """Read the dials, uniform in 0..1, from noise of shape (batch, frames, channels, height, width).

    Each is the sum over one of the first channels of the first frame.
    """
    first = noise[:, 0, :COUNT]
    normal = first.sum((-1, -2)) / (first.shape[-1] * first.shape[-2]) ** 0.5
    return 0.5 * (1 + torch.erf(normal / 2**0.5))
