"""Watermark frames with VideoSeal: pip install videoseal, then REELZERO_WATERMARK=videoseal_mark.

The message is 256 bits, here those of WATERMARK_TEXT. The first use fetches the weights.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from typing import Any

import numpy as np
import torch
import videoseal
from numpy.typing import NDArray

CHUNK = 16  # frames on the device at once


@cache
def _model() -> Any:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return videoseal.load("videoseal").to(device).eval()


@cache
def _message() -> torch.Tensor:
    digest = hashlib.sha256(os.environ.get("WATERMARK_TEXT", "reelzero").encode()).digest()
    return torch.from_numpy(np.unpackbits(np.frombuffer(digest, np.uint8))).float()[None]


@torch.inference_mode()
def watermark(_spec: Any, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the frames with the message in them."""
    model = _model()
    device = next(model.parameters()).device
    marked = []
    for start in range(0, len(frames), CHUNK):
        part = torch.from_numpy(frames[start : start + CHUNK]).to(device).permute(0, 3, 1, 2) / 255
        images = model.embed(part, msgs=_message().to(device), is_video=True)["imgs_w"]
        marked.append((images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())
    return np.concatenate(marked)
