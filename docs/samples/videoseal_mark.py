"""Watermark frames with VideoSeal 1.0: REELZERO_WATERMARK=videoseal_mark, VIDEOSEAL_DIR=a checkout of it.

The package reads its cards, its configs and its weights below the working folder, and the index's wheel lacks
the configs; so it is loaded in a checkout. The message is 256 bits: the SHA-256 of WATERMARK_TEXT.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from functools import cache
from typing import Any

import numpy as np
import torch
import videoseal
from numpy.typing import NDArray

CHUNK = 64  # frames on the device at once
Frames = NDArray[np.uint8]  # (frames, height, width, 3), RGB


@cache
def model() -> Any:
    """Load the model once. The first load fetches its weights into `ckpts` of the checkout."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with contextlib.chdir(os.environ["VIDEOSEAL_DIR"]):
        return videoseal.load("videoseal").to(device).eval()


def message() -> bytes:
    """Return the 32 bytes that the frames carry."""
    return hashlib.sha256(os.environ.get("WATERMARK_TEXT", "reelzero").encode()).digest()


@torch.inference_mode()
def watermark(_spec: Any, frames: Frames) -> Frames:
    """Return the frames with the message in them."""
    bits = torch.from_numpy(np.unpackbits(np.frombuffer(message(), np.uint8))).float()[None]
    return np.concatenate([_marked(part, bits) for part in _parts(frames)])


@torch.inference_mode()
def read_mark(frames: Frames) -> bytes:
    """Return the message in frames; bits that no longer can be read are wrong."""
    bits = model().extract_message(_tensor(frames))
    return np.packbits(bits[0].cpu().numpy().astype(bool)).tobytes()


def _parts(frames: Frames) -> list[Frames]:
    return [frames[start : start + CHUNK] for start in range(0, len(frames), CHUNK)]


def _marked(frames: Frames, bits: torch.Tensor) -> Frames:
    images = model().embed(_tensor(frames), msgs=bits, is_video=True)["imgs_w"]
    marked: Frames = (images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return marked


def _tensor(frames: Frames) -> torch.Tensor:
    device = next(model().parameters()).device
    return torch.from_numpy(frames).to(device).permute(0, 3, 1, 2) / 255


model()  # at the start of the predictor, so that a setting that is wrong is named there
