"""Hold the sound that a model makes with its frames, and check that its catalog entry states it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eventing.contract.catalog import CatalogEntry, SoundRule
from eventing.contract.errors import ModelUnavailable


@dataclass(frozen=True)
class Waveform:
    """Samples from -1 to 1: float32, (one or two channels, samples). `rate` is samples per second."""

    samples: NDArray[np.float32]
    rate: int


def require_sound(entry: CatalogEntry, own: SoundRule | None) -> None:
    """Raise ModelUnavailable if an entry states another sound than the model makes; it may state none."""
    if entry.sound in (None, own):
        return
    remedy = f"set sound to {{ rate: {own.rate}, channels: {own.channels} }}" if own else "remove sound"
    raise ModelUnavailable(
        f"the catalog entry {entry.name} has sound of {entry.sound.describe()}, but this {entry.family} "
        f"model makes {own.describe() if own else 'none'}: {remedy}"
    )
