"""Pass frames on while the VAE still decodes the next ones, and keep none of them on the device.

The VAEs of CogVideoX and Wan call their decoder once for every few latent frames and join the outputs. Each
output is taken here and replaced by one without frames, so that the whole clip is never on the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from eventing.contract.records.models import GenerationSpec
from predictor.models.pipelines import Take
from predictor.models.pipelines.decoding.tensors import to_frames

Finished = Callable[[Any], torch.Tensor | None]  # the frames in an output of the decoder


@contextmanager
def passed_on(
    decoder: torch.nn.Module, spec: GenerationSpec, finished: Finished, take: Take
) -> Iterator[None]:
    """Pass on the frames of every output that has whole ones. Tiles of frames stay what they are."""

    def hook(_module: torch.nn.Module, _inputs: Any, output: Any) -> Any:
        frames = finished(output)
        if frames is None or tuple(frames.shape[-2:]) != (spec.height, spec.width):
            return None  # the output stays
        take(to_frames(frames))
        return _without_frames(output)

    handle = decoder.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def _without_frames(output: Any) -> Any:
    if isinstance(output, tuple):  # with the decoder's memory of the frames before
        return (_without_frames(output[0]), *output[1:])
    batch, channels, _, height, width = output.shape
    return output.new_empty((batch, channels, 0, height, width))
