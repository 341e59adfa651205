"""How far two videos of one size are apart: PSNR in decibels and SSIM of the luma, means over the frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]  # (frames, height, width, 3)
Luma = NDArray[np.float64]
WINDOW = 8  # pixels of a side
LIMIT = 99.0  # decibels of equal videos
STABLE = ((0.01 * 255) ** 2, (0.03 * 255) ** 2)  # the two constants of SSIM


def psnr(one: Frames, other: Frames) -> float:
    """Return the PSNR over all frames and colours; LIMIT for equal ones."""
    error = float(np.mean((one.astype(np.float64) - other) ** 2))
    return LIMIT if error == 0 else min(LIMIT, 10 * float(np.log10(255**2 / error)))


def ssim(one: Frames, other: Frames) -> float:
    """Return the mean SSIM, in windows of 8x8 pixels."""
    return float(np.mean([_of_frame(_luma(a), _luma(b)) for a, b in zip(one, other, strict=True)]))


def _luma(frame: Frames) -> Luma:
    luma: Luma = frame.astype(np.float64) @ np.array([0.2126, 0.7152, 0.0722])
    return luma


def _means(values: Luma) -> Luma:
    """Return the mean of every window."""
    sums = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    w = WINDOW
    means: Luma = (sums[w:, w:] - sums[:-w, w:] - sums[w:, :-w] + sums[:-w, :-w]) / w**2
    return means


def _of_frame(one: Luma, other: Luma) -> float:
    x, y = _means(one), _means(other)
    xx, yy, xy = _means(one * one) - x * x, _means(other * other) - y * y, _means(one * other) - x * y
    first, second = STABLE
    shares = (2 * x * y + first) * (2 * xy + second) / ((x * x + y * y + first) * (xx + yy + second))
    return float(shares.mean())
