"""How the starting noise of a clip sets its places: a few sums over the noise, each standard normal.

A diffusion model usually learns by itself which clip a noise becomes. Here the pairing is chosen: while
training, the places and sizes of a clip are read from the noise that is put on it. The noise stays standard
normal and the places keep their distribution, but now noise and prompt determine the clip, so nothing
has to be guessed in the first step. Every seed still gives other places.
"""

import torch
from torch import Tensor

COUNT = 6  # x, y and size of the first thing, then of the second


def dials(noise: Tensor) -> Tensor:
    """Read the dials, uniform in 0..1, from noise of shape (batch, frames, channels, height, width).

    Each is the sum over one of the first channels of the first frame.
    """
    first = noise[:, 0, :COUNT]
    normal = first.sum((-1, -2)) / (first.shape[-1] * first.shape[-2]) ** 0.5
    return 0.5 * (1 + torch.erf(normal / 2**0.5))
