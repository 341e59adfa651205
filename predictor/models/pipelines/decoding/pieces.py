"""Run layers over a video that comes in pieces, in the order of time: (1, channels, frames, height, width).

Each layer remembers the frames that the next piece needs. So every frame is computed once, from the same
numbers as in a whole video, and nothing here keeps more than a few frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import tee
from typing import Any

import torch
from diffusers.utils.accelerate_utils import apply_forward_hook

Pieces = Iterator[torch.Tensor]
Stage = Callable[[Pieces], Pieces]
TIME = 2  # the dimension of the frames


def frames_of(latents: torch.Tensor) -> Pieces:
    """Yield the latent frames one by one."""
    yield from latents.split(1, dim=TIME)


def mapped(function: Callable[[torch.Tensor], torch.Tensor]) -> Stage:
    """Return a stage for a layer that looks at each frame alone."""
    return lambda pieces: map(function, pieces)


def chained(pieces: Pieces, stages: Iterable[Stage]) -> Pieces:
    """Run stages one after the other."""
    for stage in stages:
        pieces = stage(pieces)
    return pieces


def convolved(convolve: Callable[[torch.Tensor], torch.Tensor], before: int, after: int) -> Stage:
    """Return a stage for a convolution that reads this many frames before and after each frame.

    The first and the last frame of the video stand for those that would be outside of it. `convolve` pads no
    time: it makes one frame of `before + 1 + after`.
    """

    def stage(pieces: Pieces) -> Pieces:
        known: torch.Tensor | None = None  # the frames that the next output needs
        for piece in pieces:
            known = torch.cat([piece[:, :, :1]] * before + [piece] if known is None else [known, piece], TIME)
            if known.shape[TIME] > before + after:
                yield convolve(known)
                known = known[:, :, known.shape[TIME] - before - after :].clone()  # without the rest of it
        if known is not None and after:
            yield convolve(torch.cat([known] + [known[:, :, -1:]] * after, TIME))

    return stage


def added(branch: Stage, shortcut: Stage) -> Stage:
    """Return a stage for the sum of two ways, of which one may be some frames behind."""

    def stage(pieces: Pieces) -> Pieces:
        one, other = tee(pieces)
        rest = Waiting(shortcut(other))
        for piece in branch(one):
            yield piece + rest.take(piece.shape[TIME])

    return stage


def without_first(count: int) -> Stage:
    """Return a stage that leaves out the first frames of the video."""

    def stage(pieces: Pieces) -> Pieces:
        left = count
        for piece in pieces:
            kept = piece[:, :, left:]
            left = max(0, left - piece.shape[TIME])
            if kept.shape[TIME]:
                yield kept

    return stage


class Waiting:
    """Pieces of which any number of frames can be taken."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._frames: torch.Tensor | None = None

    def take(self, count: int) -> torch.Tensor:
        """Return the next frames."""
        while self._frames is None or self._frames.shape[TIME] < count:
            piece = next(self._pieces)
            self._frames = piece if self._frames is None else torch.cat([self._frames, piece], TIME)
        taken, self._frames = self._frames[:, :, :count], self._frames[:, :, count:]
        return taken


def bring(vae: Any) -> None:
    """Bring an offloaded VAE to its device, as diffusers does at its `decode`."""
    apply_forward_hook(lambda _vae: None)(vae)


@contextmanager
def own_parameters(module: Any) -> Iterator[None]:
    """Bring the parameters of a module itself to its device. Its parts bring theirs when they run."""
    hook = getattr(module, "_hf_hook", None)  # of accelerate, in a model that is offloaded part by part
    if hook is not None:
        hook.pre_forward(module)
    try:
        yield
    finally:
        if hook is not None:
            hook.post_forward(module, None)
