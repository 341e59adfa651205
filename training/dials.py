"""How the starting noise of a clip sets its places: a few sums over the noise, each a standard normal number.

A diffusion model usually learns by itself which clip a noise becomes. Here the pairing is chosen: while training,
the places and sizes of a clip are read from the noise that is put on it. The noise stays standard normal and the
places keep their distribution, but now noise and prompt together determine the clip, so nothing has to be guessed
in the first step. Every seed still gives other places.
"""

import torch
from torch import Tensor

PATCH = 16
COUNT = 6  # x, y and size of the first thing, then of the second


def dials(noise: Tensor) -> Tensor:
    """Read the dials, uniform in 0..1, from noise of shape (batch, frames, 3, height, width)."""
    first = noise[:, 0]
    side = torch.ones(first.shape[-1])
    side[torch.arange(len(side)) % PATCH >= PATCH // 2] = -1
    norm = (first.shape[-1] * first.shape[-2]) ** 0.5
    plain = first.sum((-1, -2)) / norm
    split = (first * side).sum((-1, -2)) / norm
    normal = torch.cat([plain, split], dim=1)
    return 0.5 * (1 + torch.erf(normal / 2**0.5))
