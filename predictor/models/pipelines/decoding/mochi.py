"""Run the decoder of Mochi's VAE over latents that come in pieces.

Its convolutions read the two frames before each frame, and its norms look at each frame alone.
"""

from __future__ import annotations

from typing import Any

import torch

from predictor.models.pipelines.decoding import causal
from predictor.models.pipelines.decoding.pieces import (
    Pieces,
    Stage,
    chained,
    mapped,
    without_first,
)


def decoded(vae: Any, latents: Pieces) -> Pieces:
    """Return the frames of pieces of latents."""
    decoder = vae.decoder
    stages: list[Stage] = [mapped(decoder.conv_in), *map(causal.resnet, decoder.block_in.resnets)]
    for block in decoder.up_blocks:
        stages += [*map(causal.resnet, block.resnets), _enlarged(block)]
    stages += [
        *map(causal.resnet, decoder.block_out.resnets),
        mapped(decoder.nonlinearity),
        mapped(lambda frames: decoder.proj_out(frames.permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3)),
    ]
    if vae.drop_last_temporal_frames:
        stages.append(without_first(vae.temporal_compression_ratio - 1))
    return chained(latents, stages)


def _enlarged(block: Any) -> Stage:
    time, side = block.temporal_expansion, block.spatial_expansion

    def layer(frames: torch.Tensor) -> torch.Tensor:
        cells = block.proj(frames.permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3)
        batch, _, count, height, width = cells.shape
        cells = cells.view(batch, -1, time, side, side, count, height, width)
        cells = cells.permute(0, 1, 5, 2, 6, 3, 7, 4).contiguous()
        larger: torch.Tensor = cells.view(batch, -1, count * time, height * side, width * side)
        return larger

    return mapped(layer)
