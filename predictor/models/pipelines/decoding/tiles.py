"""Decode a video in tiles that overlap, all of them side by side, and blend them as diffusers does.

diffusers decodes one tile from the first frame to the last, then the next, so that it holds the whole clip as
floats. The sums are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from predictor.models.pipelines.decoding.pieces import Pieces

Decode = Callable[[torch.Tensor], Pieces]


@dataclass(frozen=True)
class Tiling:
    """How a VAE cuts a video. Each pair is height and width.

    `size` and `stride` count latents. `blend` and `kept` count what the decoder makes of them: how much of a
    tile overlaps the one before it, and how much of it is in the video.
    """

    size: tuple[int, int]
    stride: tuple[int, int]
    blend: tuple[int, int]
    kept: tuple[int, int]

    def cuts(self, latents: torch.Tensor) -> bool:
        """Tell whether a video is larger than a tile."""
        height, width = latents.shape[-2:]
        return height > self.size[0] or width > self.size[1]


def by_overlap(vae: Any) -> Tiling:
    """Return the tiling of a VAE that is set by the share of its tiles that overlaps."""
    shared = getattr(vae, "tile_overlap_factor", None)
    down = vae.tile_overlap_factor_height if shared is None else shared
    across = vae.tile_overlap_factor_width if shared is None else shared
    size = (vae.tile_latent_min_height, vae.tile_latent_min_width)
    sample = (vae.tile_sample_min_height, vae.tile_sample_min_width)
    blend = (int(sample[0] * down), int(sample[1] * across))
    return Tiling(
        size=size,
        stride=(int(size[0] * (1 - down)), int(size[1] * (1 - across))),
        blend=blend,
        kept=(sample[0] - blend[0], sample[1] - blend[1]),
    )


def by_stride(vae: Any, patch: int = 1) -> Tiling:
    """Return the tiling of a VAE that is set by the distance of its tiles.

    `patch` is the side of the squares that the decoder leaves packed in channels.
    """
    ratio = vae.spatial_compression_ratio
    sample = (vae.tile_sample_min_height, vae.tile_sample_min_width)
    stride = (vae.tile_sample_stride_height, vae.tile_sample_stride_width)
    kept = (stride[0] // patch, stride[1] // patch)
    return Tiling(
        size=(sample[0] // ratio, sample[1] // ratio),
        stride=(stride[0] // ratio, stride[1] // ratio),
        blend=(sample[0] // patch - kept[0], sample[1] // patch - kept[1]),
        kept=kept,
    )


def decoded(vae: Any, tiling: Tiling | None, latents: torch.Tensor, decode: Decode) -> Pieces:
    """Yield the frames of latents, (1, channels, latent frames, height, width), piece by piece."""
    if tiling is None or not tiling.cuts(latents):
        yield from decode(latents)
        return
    height, width = latents.shape[-2:]
    lefts = range(0, width, tiling.stride[1])
    tiles = [
        decode(latents[..., top : top + tiling.size[0], left : left + tiling.size[1]])
        for top in range(0, height, tiling.stride[0])
        for left in lefts
    ]
    for moment in zip(*tiles, strict=True):
        rows = [moment[first : first + len(lefts)] for first in range(0, len(moment), len(lefts))]
        yield _blended(vae, tiling, rows)


def _blended(vae: Any, tiling: Tiling, rows: Sequence[Sequence[torch.Tensor]]) -> torch.Tensor:
    """Join the tiles of one moment. Each is blended with neighbours that are blended already."""
    joined = []
    for row, tiles in enumerate(rows):
        kept = []
        for column, tile in enumerate(tiles):
            if row:
                vae.blend_v(rows[row - 1][column], tile, tiling.blend[0])
            if column:
                vae.blend_h(tiles[column - 1], tile, tiling.blend[1])
            kept.append(tile[..., : tiling.kept[0], : tiling.kept[1]])
        joined.append(torch.cat(kept, dim=-1))
    return torch.cat(joined, dim=-2)
