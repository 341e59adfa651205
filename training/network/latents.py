"""Encode a clip as layers, and set CogVideoX's own autoencoder to draw them.

Channels: colour of what is behind (3), of the first thing (3), of the second in front of it (3), all in
-1..1; then for each thing the distance to its edge over REACH pixels, positive inside and clamped to -1..1. A
latent frame is half as wide and high as the video. Nothing is learnt here: the decoder's weights are set by
hand, and its encoder is empty, as text-to-video never encodes.

With the distance enlarged to pixels, a thing covers clamp(1/2 + distance) of a pixel. What is seen is the sum
over the layers of (relu(colour + 2 * part - 1) - relu(-colour + 2 * part - 1)) / 2, where part is what can be
seen of the layer: all of its colour at 1, half of it at 1/2, nothing at 0. The ReLUs are the decoder's silu,
turned up.
"""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import AutoencoderKLCogVideoX
from torch import Tensor, nn

from training.scenes.domain import FRAMES, SIDE, Scene
from training.scenes.render import colours, layer

SCALE = 2  # pixels of the video per latent, in each direction
REACH = 12.0  # a wide ramp is smooth, and every patch near a thing shows its place
CHANNELS = 11
LATENT_SIDE = SIDE // SCALE

BEHIND, FIRST, SECOND = (0, 1, 2), (3, 4, 5), (6, 7, 8)
MIRRORED = 9  # channel 9 + c is minus channel c
EDGES = ((18, 19), (20, 21))  # each distance twice
BALANCE, HIGH, LOW, WIDTH = 22, 23, 24, 25
LEVEL = 452.5  # two constant channels of this height ...
SPREAD = 128.0  # ... make the group norm divide by this, whatever the others hold: 452.5 * sqrt(2 / 25)
UNIT = 4.0  # the decoder counts distances in these many pixels, so that its weights fit half precision
GAIN = 64.0  # silu(64 x) / 64 is nearly a ReLU


def encode(scenes: Sequence[Scene], dials: Tensor, frames: Tensor | None = None) -> Tensor:
    """Return the latents (batch, frames, 11, 32, 32) of scenes with their places.

    `frames` (batch, count) chooses frames of each clip; by default all of them.
    """
    frames = torch.arange(FRAMES).expand(len(scenes), -1) if frames is None else frames
    latents = torch.full((len(scenes), frames.shape[1], CHANNELS, LATENT_SIDE, LATENT_SIDE), -1.0)
    latents[:, :, :3] = colours([scene.background for scene in scenes])
    # A clip with one thing has a second one of the same colour and without any pixel.
    latents[:, :, 6:9] = colours([scene.things[-1].colour for scene in scenes])
    for slot in range(max(len(scene.things) for scene in scenes)):
        rows, painted, far = layer(scenes, slot, dials, frames, LATENT_SIDE)
        latents[rows, :, 3 + 3 * slot : 6 + 3 * slot] = painted
        latents[rows, :, 9 + slot] = (-far / REACH).clamp(-1, 1)
    return latents


def build_autoencoder(doublings: int = 1) -> AutoencoderKLCogVideoX:
    """Build the autoencoder whose decoder draws the layers, twice as large as the latents for each doubling.

    The shipped model has one. With two, the decoder draws the same latents at 128x128, as sharp as before.
    """
    side = LATENT_SIDE << doublings
    vae = AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * (doublings + 1),
        up_block_types=("CogVideoXUpBlock3D",) * (doublings + 1),
        block_out_channels=(WIDTH,) * (doublings + 1),
        latent_channels=CHANNELS,
        layers_per_block=1,
        norm_num_groups=1,
        temporal_compression_ratio=1,
        sample_height=side,
        sample_width=side,
        scaling_factor=1.0,
    )
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.zero_()
        _draw(vae, side / SIDE)
    return vae.eval()


def _draw(vae: AutoencoderKLCogVideoX, pixels: float) -> None:
    """Set the decoder's weights. A block that is not named here returns its input."""
    decoder, ramp = vae.decoder, REACH * pixels / UNIT
    layers = {(c, c): 1.0 for c in range(9)} | {(c + MIRRORED, c): -1.0 for c in range(9)}
    layers |= {(channel, 9 + slot): ramp for slot, pair in enumerate(EDGES) for channel in pair}
    _mix(decoder.conv_in.conv, layers, constants=True)
    for block in decoder.up_blocks[:-1]:
        _enlarge(block.upsamplers[0].conv)
    _see(decoder.up_blocks[-1].resnets[0])
    offsets = dict.fromkeys(_both(BEHIND), 1.0) | dict.fromkeys(_both(FIRST + SECOND), -1.0)
    _norm(decoder.norm_out, dict.fromkeys(offsets, 1.0), offsets)
    half = 0.5 / GAIN
    sums = {(c % 3, c): half for c in range(9)} | {(c % 3, c + MIRRORED): -half for c in range(9)}
    _mix(decoder.conv_out.conv, sums)


def _both(channels: tuple[int, ...]) -> tuple[int, ...]:
    """Return the channels of colours and their mirrored ones."""
    return channels + tuple(channel + MIRRORED for channel in channels)


def _enlarge(conv: nn.Conv2d) -> None:
    """Set the convolution over doubled pixels: colours stay, distances take the straight line between two."""
    line = torch.tensor([1.0, 2.0, 1.0]) / 4
    for channel in (*range(18), HIGH, LOW):
        conv.weight[channel, channel, 1, 1] = 1
    for channel in (c for pair in EDGES for c in pair):
        conv.weight[channel, channel] = line[:, None] * line
    _balance(conv)


def _see(block: Any) -> None:
    """Set the residual block that adds the visible parts to the colours: what is covered, and by what."""
    pixels: dict[int, float] = {}
    halves: dict[int, float] = {}
    for more, less in EDGES:
        pixels |= {more: UNIT, less: UNIT}
        halves |= {more: 0.5, less: -0.5}
    _norm(block.norm1, pixels, halves)
    (one, one_off), (two, two_off) = EDGES
    part = 1 / GAIN
    covered = {(one, one): part, (one, one_off): -part, (one, two): -part, (one, two_off): part}
    _mix(block.conv1.conv, {**covered, (two, two): part, (two, two_off): -part}, constants=True)
    _norm(block.norm2, {one: 1.0, two: 1.0}, {})
    shown = {(c, one): 2 * part for c in _both(FIRST)} | {(c, two): 2 * part for c in _both(SECOND)}
    _mix(block.conv2.conv, shown | {(c, edge): -2 * part for c in _both(BEHIND) for edge in (one, two)})


def _mix(conv: Any, weights: dict[tuple[int, int], float], constants: bool = False) -> None:
    """Set a causal convolution to a sum over channels: this frame, this pixel; {(to, from): weight}."""
    for (to, source), weight in weights.items():
        conv.weight[to, source, -1, 1, 1] = weight
    if constants:
        _balance(conv)
        conv.bias[HIGH], conv.bias[LOW] = LEVEL, -LEVEL


def _balance(conv: Any) -> None:
    """Make one channel the negative sum of the others, so that the group norm finds a mean of zero."""
    conv.weight[BALANCE] = -conv.weight[:BALANCE].sum(0)


def _norm(norm: Any, gains: dict[int, float], offsets: dict[int, float]) -> None:
    """Set a norm to GAIN * (gain * channel + offset), and to zero for the channels that are not named."""
    norm.conv_y.conv.bias.fill_(1)
    for channel, gain in gains.items():
        norm.norm_layer.weight[channel] = GAIN * gain * SPREAD
    for channel, offset in offsets.items():
        norm.conv_b.conv.bias[channel] = GAIN * offset
