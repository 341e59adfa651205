"""Run the decoder of HunyuanVideo 1.5's VAE over latents that come in pieces.

Its convolutions read the two frames before each frame. The attention of its middle block reads all frames
before, so their keys and values stay: 2 numbers for each pixel of the video, where frames have 3.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from predictor.models.pipelines.decoding import causal
from predictor.models.pipelines.decoding.pieces import (
    TIME,
    Pieces,
    Stage,
    added,
    chained,
    frames_of,
    mapped,
)


def decoded(decoder: Any, latents: Pieces) -> Pieces:
    """Return the frames of pieces of latents."""
    first = added(
        causal.convolution(decoder.conv_in),
        mapped(lambda frames: frames.repeat_interleave(repeats=decoder.repeat, dim=1)),
    )
    stages = [first, *_middle(decoder.mid_block)]
    for block in decoder.up_blocks:
        stages += [causal.resnet(resnet) for resnet in block.resnets]
        stages += [_upsampler(upsampler) for upsampler in block.upsamplers or ()]
    stages += [mapped(decoder.norm_out), mapped(decoder.conv_act), causal.convolution(decoder.conv_out)]
    return chained(latents, stages)


def _middle(block: Any) -> list[Stage]:
    stages = [causal.resnet(block.resnets[0])]
    for attention, resnet in zip(block.attentions, block.resnets[1:], strict=True):
        stages += [] if attention is None else [_attention(attention)]
        stages.append(causal.resnet(resnet))
    return stages


def _attention(block: Any) -> Stage:
    """Return the stage of the attention of each frame to itself and to the frames before it."""

    def stage(pieces: Pieces) -> Pieces:
        keys: list[torch.Tensor] = []
        values: list[torch.Tensor] = []
        for piece in pieces:
            for frame in frames_of(piece):
                normed = block.norm(frame)
                keys.append(_sequence(block.to_k(normed)))
                values.append(_sequence(block.to_v(normed)))
                seen = functional.scaled_dot_product_attention(
                    _sequence(block.to_q(normed)), torch.cat(keys, TIME), torch.cat(values, TIME)
                )
                batch, channels, _, height, width = frame.shape
                seen = seen.squeeze(1).reshape(batch, 1, height, width, channels).permute(0, 4, 1, 2, 3)
                yield block.proj_out(seen) + frame

    return stage


def _sequence(frame: torch.Tensor) -> torch.Tensor:
    """Return one frame as (1, 1 head, height * width, channels)."""
    return frame.flatten(2).permute(0, 2, 1).unsqueeze(1).contiguous()


def _upsampler(layer: Any) -> Stage:
    """Return the stage of an upsampler, which doubles the time of all frames but the first."""
    time = 2 if layer.add_temporal_upsample else 1

    def larger(frames: torch.Tensor, first: bool) -> torch.Tensor:
        batch, packed, count, height, width = frames.shape
        times = 1 if first else time
        cells = frames.view(batch, times, 2, 2, packed // (4 * times), count, height, width)
        cells = cells.permute(0, 4, 5, 1, 6, 2, 7, 3)
        return cells.reshape(batch, -1, count * times, height * 2, width * 2)

    def branch(frames: torch.Tensor, first: bool) -> torch.Tensor:
        cells = larger(frames, first)
        return cells[:, : cells.shape[1] // 2] if first and time > 1 else cells

    def shortcut(frames: torch.Tensor, first: bool) -> torch.Tensor:
        repeats = layer.repeats // 2 if first and time > 1 else layer.repeats
        if time == 1:
            return larger(frames.repeat_interleave(repeats=repeats, dim=1), first)
        return larger(frames, first).repeat_interleave(repeats=repeats, dim=1)

    def convolution(pieces: Pieces) -> Pieces:
        return _with_first(branch)(causal.convolution(layer.conv)(pieces))

    return added(convolution, _with_first(shortcut))


def _with_first(layer: Any) -> Stage:
    """Return a stage for a layer that treats the first frame of the video in another way."""

    def stage(pieces: Pieces) -> Pieces:
        for index, piece in enumerate(pieces):
            first = int(index == 0)
            if first:
                yield layer(piece[:, :, :1], True)
            if piece.shape[TIME] > first:
                yield layer(piece[:, :, first:], False)

    return stage
