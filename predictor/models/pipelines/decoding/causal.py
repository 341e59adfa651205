"""Run causal convolutions and residual blocks of Mochi and HunyuanVideo 1.5 over pieces of frames."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from predictor.models.pipelines.decoding.pieces import Stage, added, chained, convolved, mapped


def convolution(layer: Any) -> Stage:
    """Return the stage of a convolution that reads the frames before each frame."""
    *space, before, _ = layer.time_causal_padding

    def convolve(frames: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = layer.conv(functional.pad(frames, (*space, 0, 0), mode=layer.pad_mode))
        return result

    return convolved(convolve, before, 0)


def resnet(block: Any) -> Stage:
    """Return the stage of a residual block; not every kind has a shortcut of its own."""
    branch = [
        mapped(block.norm1),
        mapped(block.nonlinearity),
        convolution(block.conv1),
        mapped(block.norm2),
        mapped(block.nonlinearity),
        convolution(block.conv2),
    ]
    own = getattr(block, "conv_shortcut", None)
    return added(lambda pieces: chained(pieces, branch), iter if own is None else mapped(own))
