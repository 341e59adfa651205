"""Check whether a video shows what its prompt asks for, from the frames alone, also after H.264.

`check(frames, prompt)` compares what the prompt names with what the frames show. It uses numpy and Pillow. It
shares words and colours with the training, but neither the rendering nor the model.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from training.scenes.domain import COLOURS, PALETTE, SHAPES, SIDE
from training.scenes.words import BACKGROUND_NOUNS, FILLERS, MEANINGS, VERBS, split

Frames = NDArray[np.uint8]  # (time, height, width, 3)
Mask = NDArray[np.bool_]

SEEN = 48.0  # colour distance from the background at which a pixel may belong to an object
FAR = 90.0  # colour distance from which a colour is not in the palette
ALIKE = 0.72  # smallest overlap of a shape with its ideal
MOVED = 9.0  # pixels, in a frame of 64
RESIZED = 1.7  # last area over first
CORNERS = {"square": (4, 45.0, None), "triangle": (3, 0.0, None), "star": (5, 0.0, 0.416)}
OVERSAMPLE = 4


@dataclass(frozen=True)
class Attributes:
    """What a prompt asks for, or what frames show. None means not named, or not recognised."""

    colour: str | None
    motion: str | None
    shape: str | None
    background: str | None


@dataclass(frozen=True)
class Verdict:
    """The result for each attribute: whether the frames show what the prompt asks for."""

    wanted: Attributes
    seen: Attributes
    colour: bool
    motion: bool
    shape: bool
    background: bool

    @property
    def ok(self) -> bool:
        """Whether everything in the prompt is there."""
        return self.colour and self.motion and self.shape and self.background

    def explain(self) -> str:
        """Return the wanted and the seen value of every attribute, as text."""
        names = ("colour", "motion", "shape", "background")
        return "; ".join(self._explain(name) for name in names)

    def _explain(self, name: str) -> str:
        wanted, seen = getattr(self.wanted, name) or "any", getattr(self.seen, name) or "unclear"
        return f"{name}: wanted {wanted}, saw {seen}" + ("" if getattr(self, name) else " (WRONG)")


def parse(prompt: str) -> Attributes:
    """Read what a prompt with one thing asks for. Unknown words are ignored."""
    words = [word for word in split(prompt) if word in MEANINGS or word in VERBS or word in FILLERS]
    attributes: dict[str, str] = {}
    background = "black"
    for i, word in enumerate(words):
        meaning = MEANINGS.get(word)
        if meaning is None:
            continue
        if meaning in PALETTE and words[i + 1 : i + 2] and words[i + 1] in BACKGROUND_NOUNS:
            background = meaning
        elif meaning in PALETTE:
            attributes.setdefault("colour", meaning)
        elif meaning in SHAPES:
            attributes.setdefault("shape", meaning)
        elif meaning not in ("small", "large") and "from" not in words[max(0, i - 2) : i]:
            attributes["motion"] = meaning
    return Attributes(attributes.get("colour"), attributes.get("motion"), attributes.get("shape"), background)


def check(frames: Frames, prompt: str) -> Verdict:
    """Compare what the frames show with what the prompt asks for."""
    wanted, seen = parse(prompt), look(np.asarray(frames))
    names = ("colour", "motion", "shape", "background")
    right = {name: getattr(wanted, name) in (None, getattr(seen, name)) for name in names}
    return Verdict(wanted, seen, **right)


def look(frames: Frames) -> Attributes:
    """Read what frames show."""
    video = frames.astype(np.float32)
    behind = np.median(_border(video), axis=0)
    background = _colour_name(behind, tuple(PALETTE))
    front = _foreground(video, behind)
    if front is None:
        return Attributes(None, None, None, background)
    masks = _masks(video, behind, front)
    if any(mask.sum() < 20 for mask in masks):
        return Attributes(_colour_name(front, COLOURS), None, None, background)
    return Attributes(_colour_name(front, COLOURS), motion_of(masks), shape_of(masks), background)


def _border(video: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the pixels of the outer two rows and columns."""
    edge = np.ones(video.shape[1:3], dtype=bool)
    edge[2:-2, 2:-2] = False
    return video[:, edge].reshape(-1, 3)


def _colour_name(colour: NDArray[np.float32], names: tuple[str, ...]) -> str | None:
    """Return the nearest colour of the palette, or None if all are far."""
    distances = {name: float(np.linalg.norm(colour - np.array(PALETTE[name]))) for name in names}
    best = min(distances, key=distances.__getitem__)
    return best if distances[best] < FAR else None


def _foreground(video: NDArray[np.float32], behind: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the colour of the pixels that differ most from the background; soft edges count little."""
    distance = np.linalg.norm(video - behind, axis=-1)
    if (distance > SEEN).mean() < 0.004:
        return None
    core = distance > max(SEEN, 0.8 * float(np.quantile(distance[distance > SEEN], 0.9)))
    colour: NDArray[np.float32] = np.median(video[core], axis=0)
    return colour


def _masks(video: NDArray[np.float32], behind: NDArray[np.float32], front: NDArray[np.float32]) -> list[Mask]:
    """Return the pixels nearer to the foreground's colour than to the background's, without small spots."""
    axis = front - behind
    share = ((video - behind) @ axis) / float(axis @ axis)
    return [largest(frame > 0.5) for frame in share]


def largest(mask: Mask) -> Mask:
    """Keep the largest connected part. Labels spread over neighbours until nothing changes."""
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        padded = np.pad(labels, 1)
        around = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:], labels)
        spread = np.where(mask, np.max(around, axis=0), 0)
        if np.array_equal(spread, labels):
            break
        labels = spread
    values, counts = np.unique(labels[mask], return_counts=True)
    return labels == values[counts.argmax()] if len(values) else mask


def _centre(mask: Mask) -> tuple[float, float]:
    rows, columns = np.nonzero(mask)
    return float(columns.mean()), float(rows.mean())


def motion_of(masks: list[Mask]) -> str | None:
    """Recognise a motion from the centres and areas of the first and last three frames."""
    scale = SIDE / masks[0].shape[1]
    first, last = masks[:3], masks[-3:]
    ratio = sum(mask.sum() for mask in last) / sum(mask.sum() for mask in first)
    ends = [np.mean([_centre(mask) for mask in part], axis=0) for part in (first, last)]
    dx, dy = (ends[1] - ends[0]) * scale
    if max(ratio, 1 / ratio) > RESIZED and math.hypot(dx, dy) < MOVED:
        return "growing" if ratio > 1 else "shrinking"
    if max(abs(dx), abs(dy)) < MOVED or min(abs(dx), abs(dy)) > 0.4 * max(abs(dx), abs(dy)):
        return None
    if abs(dx) > abs(dy):
        return "right" if dx > 0 else "left"
    return "down" if dy > 0 else "up"


def shape_of(masks: list[Mask]) -> str | None:
    """Return the shape whose ideal overlaps best with the masks, over the larger half of the frames."""
    chosen = sorted(masks, key=lambda mask: int(mask.sum()))[len(masks) // 2 :: 2]
    scores = {shape: float(np.mean([_overlap(mask, shape) for mask in chosen])) for shape in SHAPES}
    best = max(scores, key=scores.__getitem__)
    return best if scores[best] > ALIKE else None


def _overlap(mask: Mask, shape: str) -> float:
    """Return the best overlap (intersection over union) with the ideal mask of the same area and centre."""
    turns = (0,) if shape == "circle" else (-10, 0, 10)
    ideals = [
        _ideal(shape, float(mask.sum()) * scale, _centre(mask), turn, mask.shape)
        for scale in (0.92, 1.0, 1.08)
        for turn in turns
    ]
    return max(float((mask & ideal).sum() / (mask | ideal).sum()) for ideal in ideals)


@lru_cache
def _outline(shape: str, turn: float) -> NDArray[np.float64]:
    """Return the outline of a shape with area 1 around its centre of mass."""
    corners, start, inner = CORNERS.get(shape, (64, 0.0, None))
    radii = [1.0] if inner is None else [1.0, inner]
    count = corners * len(radii)
    angle = np.deg2rad(start + turn) + 2 * np.pi * np.arange(count) / count
    radius = np.resize(radii, count)
    points = np.stack([radius * np.sin(angle), -radius * np.cos(angle)], axis=1)
    x, y = points.T
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    return points / math.sqrt(area)


def _ideal(shape: str, area: float, centre: tuple[float, float], turn: float, size: tuple[int, ...]) -> Mask:
    """Draw the ideal mask of a shape at a higher resolution; keep pixels that are at least half covered."""
    height, width = size
    points = (_outline(shape, turn) * math.sqrt(area) + np.array(centre) + 0.5) * OVERSAMPLE
    picture = Image.new("L", (width * OVERSAMPLE, height * OVERSAMPLE))
    ImageDraw.Draw(picture).polygon([(float(x), float(y)) for x, y in points], fill=255)
    small = picture.resize((width, height), Image.Resampling.BOX)
    return np.asarray(small) > 127
