"""Run the decoder of LTX-Video's VAE, or of LTX-2's, over latents that come in pieces.

Its convolutions read one frame before and one after each frame (causal ones: two before), and nothing else
mixes frames. So the first frames come some latent frames late, and the end of the video comes in pieces, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx2 import PerChannelRMSNorm

from predictor.models.pipelines.decoding import tiles
from predictor.models.pipelines.decoding.pieces import (
    Pieces,
    Stage,
    added,
    chained,
    convolved,
    frames_of,
    mapped,
    own_parameters,
    without_first,
)

Layer = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Run:
    """One run of a decoder. `timestep` is for a decoder that takes noise, `dtype` that of the latents."""

    decoder: Any
    timestep: torch.Tensor | None
    dtype: torch.dtype

    def embedded(self, module: Any) -> torch.Tensor | None:
        """Return the timestep as a block, or the decoder itself, embeds it."""
        if getattr(module, "time_embedder", None) is None or self.timestep is None:
            return None
        embedding: torch.Tensor = module.time_embedder(
            timestep=self.timestep.flatten(),
            resolution=None,
            aspect_ratio=None,
            batch_size=1,
            hidden_dtype=self.dtype,
        )
        return embedding.view(1, -1, 1, 1, 1)

    def convolution(self, layer: Any) -> Stage:
        """Return the stage of a convolution in time."""
        reach = layer.kernel_size[0] - 1
        causal = getattr(layer, "is_causal", getattr(self.decoder, "is_causal", False))
        after = 0 if causal else reach // 2
        return convolved(layer.conv, reach - after, after)


def decoded(vae: Any, latents: torch.Tensor, timestep: torch.Tensor | None) -> Pieces:
    """Yield the frames of latents. `timestep` is for a VAE that takes noise."""
    tiling = tiles.by_stride(vae) if vae.use_tiling else None
    return tiles.decoded(vae, tiling, latents, lambda tile: _tile(vae.decoder, tile, timestep))


def _tile(decoder: Any, latents: torch.Tensor, timestep: torch.Tensor | None) -> Pieces:
    with own_parameters(decoder):
        if decoder.timestep_scale_multiplier is not None and timestep is not None:
            timestep = timestep * decoder.timestep_scale_multiplier
        run = Run(decoder, timestep, latents.dtype)
        shifts = _shifts(decoder, run.embedded(decoder), 2)
    stages = [run.convolution(decoder.conv_in), *_block(decoder.mid_block, run)]
    for block in decoder.up_blocks:
        stages += _block(block, run)
    stages += [
        mapped(_scaled(decoder.norm_out, shifts)),
        mapped(decoder.conv_act),
        run.convolution(decoder.conv_out),
        mapped(lambda frames: _unpatched(frames, decoder.patch_size_t, decoder.patch_size)),
    ]
    return chained(frames_of(latents), stages)


def _block(block: Any, run: Run) -> list[Stage]:
    """Return the stages of the middle block, or of one that makes frames larger."""
    first = getattr(block, "conv_in", None)
    embedding = run.embedded(block)
    return [
        *([] if first is None else [_resnet(first, run, None)]),
        *(_upsampler(upsampler, run) for upsampler in getattr(block, "upsamplers", None) or ()),
        *(_resnet(resnet, run, embedding) for resnet in block.resnets),
    ]


def _resnet(block: Any, run: Run, embedding: torch.Tensor | None) -> Stage:
    with own_parameters(block):
        shifts = _shifts(block, embedding, 4)
        noise = [_noise(block.per_channel_scale1), _noise(block.per_channel_scale2)]
    branch = [
        mapped(_scaled(block.norm1, shifts[:2])),
        mapped(block.nonlinearity),
        run.convolution(block.conv1),
        mapped(noise[0]),
        mapped(_scaled(block.norm2, shifts[2:])),
        mapped(block.nonlinearity),
        run.convolution(block.conv2),
        mapped(noise[1]),
    ]

    def shortcut(frames: torch.Tensor) -> torch.Tensor:
        if block.norm3 is not None:
            frames = _normed(block.norm3, frames)
        return frames if block.conv_shortcut is None else block.conv_shortcut(frames)

    return added(lambda pieces: chained(pieces, branch), mapped(shortcut))


def _upsampler(layer: Any, run: Run) -> Stage:
    time, down, across = layer.stride

    def unfolded(frames: torch.Tensor) -> torch.Tensor:
        batch, _, count, height, width = frames.shape
        cells = frames.reshape(batch, -1, time, down, across, count, height, width)
        return cells.permute(0, 1, 5, 2, 6, 3, 7, 4).flatten(6, 7).flatten(4, 5).flatten(2, 3)

    def shortcut(frames: torch.Tensor) -> torch.Tensor:
        return unfolded(frames).repeat(1, time * down * across // layer.upscale_factor, 1, 1, 1)

    first = without_first(time - 1)
    branch: list[Stage] = [run.convolution(layer.conv), mapped(unfolded), first]
    if not layer.residual:
        return lambda pieces: chained(pieces, branch)
    return added(
        lambda pieces: chained(pieces, branch), lambda pieces: chained(pieces, [mapped(shortcut), first])
    )


def _shifts(module: Any, embedding: torch.Tensor | None, count: int) -> tuple[torch.Tensor, ...]:
    """Return shifts and scales in turns; none without a timestep."""
    if module.scale_shift_table is None or embedding is None:
        return ()
    table = embedding.unflatten(1, (count, -1)) + module.scale_shift_table[None, ..., None, None, None]
    shifts: tuple[torch.Tensor, ...] = table.unbind(dim=1)
    return shifts


def _scaled(norm: Any, shifts: tuple[torch.Tensor, ...]) -> Layer:
    def layer(frames: torch.Tensor) -> torch.Tensor:
        frames = _normed(norm, frames)
        return frames * (1 + shifts[1]) + shifts[0] if shifts else frames

    return layer


def _normed(norm: Any, frames: torch.Tensor) -> torch.Tensor:
    if isinstance(norm, PerChannelRMSNorm):
        normed: torch.Tensor = norm(frames)
        return normed
    return norm(frames.movedim(1, -1)).movedim(-1, 1)  # type: ignore[no-any-return] # a module's call


def _noise(scale: torch.Tensor | None) -> Layer:
    """Return a layer that adds the same noise to every frame, drawn with the first one as diffusers does."""
    drawn: list[torch.Tensor] = []

    def layer(frames: torch.Tensor) -> torch.Tensor:
        if scale is None:
            return frames
        if not drawn:
            noise = torch.randn(frames.shape[-2:], device=frames.device, dtype=frames.dtype)[None]
            drawn.append((noise * scale.to(frames.device))[None, :, None])
        return frames + drawn[0]

    return layer


def _unpatched(frames: torch.Tensor, time: int, side: int) -> torch.Tensor:
    batch, _, count, height, width = frames.shape
    cells = frames.reshape(batch, -1, time, side, side, count, height, width)
    return cells.permute(0, 1, 5, 2, 6, 4, 7, 3).flatten(6, 7).flatten(4, 5).flatten(2, 3)
