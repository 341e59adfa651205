"""Read the layers of a picture: the colour behind, and the colours and edges of one or two things in front.

They are the latents of `shapes-tiny` (training/network/latents.py), whose autoencoder has no encoder of its
own: flat colours, and the distances to edges, which no convolution finds. A picture of anything else is read
as the two commonest colours in front of the colour of its border.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 64  # pixels of the pictures that the model was trained with
SCALE = 2  # pixels per latent
REACH = 12.0  # pixels from an edge beyond which the distance is clamped
CHANNELS, COLOURS = 11, 9  # all, and those of the three colours, which come first
BORDER = 2
SEEN = 40.0  # colour distance from what is behind at which a pixel is part of a thing
ALIKE = 70.0  # colour distance up to which two pixels have one colour
FEW = 6  # pixels away from edges: fewer are no thing
FINE = 4  # parts of a pixel, in each direction, in which edges are found

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


def read_layers(image: Image.Image) -> Floats:
    """Return the layers (11, 32, 32) of a picture."""
    pixels = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float32)
    behind = _behind(pixels)
    colours = _things(pixels, behind)
    layers = np.full((CHANNELS, SIDE // SCALE, SIDE // SCALE), -1, dtype=np.float32)
    painted = [behind, *colours, *[(colours or [behind])[-1]] * (2 - len(colours))]
    layers[:COLOURS] = np.concatenate(painted)[:, None, None] / 127.5 - 1
    for slot, colour in enumerate(colours):
        others = [behind, *(other for other in colours if other is not colour)]
        layers[COLOURS + slot] = np.clip(_distances(_cover(pixels, colour, others)) / REACH, -1, 1)
    return layers


def _behind(pixels: Floats) -> Floats:
    """Return the colour of most of the border."""
    edge = np.ones(pixels.shape[:2], dtype=bool)
    edge[BORDER:-BORDER, BORDER:-BORDER] = False
    return _median(pixels[edge])


def _things(pixels: Floats, behind: Floats) -> list[Floats]:
    """Return the colours of up to two things, the larger one first."""
    flat = _flat(pixels)
    left = flat & (_far(pixels, behind) > SEEN)
    colours: list[Floats] = []
    while len(colours) < 2 and int(left.sum()) >= FEW:
        rough = (pixels[left] // 32).astype(np.int64) @ np.array([64, 8, 1])
        commonest = np.bincount(rough).argmax()
        colour = _median(pixels[left][rough == commonest])
        mine = left & (_far(pixels, colour) < ALIKE)
        if int(mine.sum()) >= FEW:
            colours.append(_median(pixels[mine]))
        left &= ~mine & (_far(pixels, colour) >= ALIKE)
        if not mine.any():
            break
    return colours


def _flat(pixels: Floats) -> Mask:
    """Return the pixels that are like their neighbours: not those on an edge, which mix two colours."""
    padded = np.pad(pixels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    around = [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
    flat: Mask = np.max([np.linalg.norm(near - pixels, axis=-1) for near in around], axis=0) < SEEN
    return flat


def _cover(pixels: Floats, colour: Floats, others: list[Floats]) -> Floats:
    """Return how much of each pixel has a colour and none of the others, 0 to 1."""
    shares = []
    for other in others:
        axis = colour - other
        shares.append(((pixels - other) @ axis) / max(float(axis @ axis), 1.0))
    cover: Floats = np.clip(np.min(shares, axis=0), 0, 1)
    return cover


def _distances(cover: Floats) -> Floats:
    """Return the distance of each latent to the edge in pixels, positive inside."""
    fine = _enlarged(cover) > 0.5
    middle = (np.arange(SIDE // SCALE) + 0.5) * SCALE
    y, x = np.meshgrid(middle, middle, indexing="ij")
    places = np.stack([y.ravel(), x.ravel()], axis=1)
    inside = fine[(places[:, 0] * FINE).astype(int), (places[:, 1] * FINE).astype(int)]
    far = np.where(inside, _nearest(places, ~fine), -_nearest(places, fine))
    return far.reshape(y.shape).astype(np.float32)


def _enlarged(cover: Floats) -> Floats:
    size = (SIDE * FINE, SIDE * FINE)
    picture = Image.fromarray(cover).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(picture)


def _nearest(places: NDArray[np.float64], mask: Mask) -> NDArray[np.float64]:
    """Return the distance of each place to the mask's nearest part; REACH if that is as far."""
    inner = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    rim = mask.copy()
    rim[1:-1, 1:-1] &= ~inner
    points = (np.argwhere(rim) + 0.5) / FINE
    result = np.full(len(places), REACH)
    for start in range(0, len(points), 512):
        part = points[start : start + 512]
        squares = ((places[:, None] - part[None]) ** 2).sum(-1).min(1)
        result = np.minimum(result, np.sqrt(squares) - 0.5 / FINE)
    far: NDArray[np.float64] = np.maximum(result, 0)
    return far


def _far(pixels: Floats, colour: Floats) -> Any:
    return np.linalg.norm(pixels - colour, axis=-1)


def _median(pixels: Floats) -> Floats:
    middle: Floats = np.median(pixels, axis=0).astype(np.float32)
    return middle
