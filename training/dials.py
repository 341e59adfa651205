"""How the starting noise of a clip sets its places: a few sums over the noise, each standard normal.

A diffusion model usually learns by itself which clip a noise becomes. Here the pairing is chosen: while
training, the places and sizes of a clip are read from the noise that is put on it. The noise stays standard
normal and the places keep their distribution, but now noise and prompt determine the clip, so nothing
has to be guessed in the first step. Every seed still gives other places.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

PATCH = 16
COUNT = 6  # x, y and size of the first thing, then of the second


def dial_patterns() -> Tensor:
    """Give the weights of the sums in a patch (dials, 3, side, side): a colour, or its left minus right."""
    side = torch.ones(PATCH).index_fill(0, torch.arange(PATCH // 2, PATCH), -1)
    patterns = torch.zeros(COUNT, 3, PATCH, PATCH)
    for channel in range(3):
        patterns[channel, channel] = 1
        patterns[channel + 3, channel] = side
    return patterns


def dials(noise: Tensor) -> Tensor:
    """Read the dials, uniform in 0..1, from noise of shape (batch, frames, 3, height, width)."""
    first = noise[:, 0]
    sums = F.conv2d(first, dial_patterns(), stride=PATCH).sum((-1, -2))
    normal = sums / (first.shape[-1] * first.shape[-2]) ** 0.5
    return 0.5 * (1 + torch.erf(normal / 2**0.5))
