"""Render scenes: anti-aliased shapes that move or change size, a whole batch at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.scenes.domain import FRAMES, PALETTE, SIDE, Scene, Thing

TRAVEL = 22.0  # pixels from the first frame to the last
GROWTH = 2.0  # last radius over first
EXTENT = 1.25  # radii from the centre to the tips of a shape
RADII = {"small": (9.0, 10.0), "large": (13.0, 14.5), "any": (9.0, 14.5)}
STAR_INNER = 0.52
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


@dataclass(frozen=True)
class Path:
    """Where a thing starts and ends: (x, y, radius)."""

    start: tuple[float, float, float]
    end: tuple[float, float, float]


def _circle(x: Tensor, y: Tensor) -> Tensor:
    return (x.square() + y.square()).sqrt() - 1


def _square(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(x.abs(), y.abs()) - EXTENT * math.sqrt(0.5)


def _triangle(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(y.expand_as(x + y), x.abs() * math.sqrt(0.75) - y / 2) - EXTENT / 2


def _star(x: Tensor, y: Tensor) -> Tensor:
    """Fold the plane into half a ray of the star, and return the distance to its one edge."""
    tenth = math.pi / 5
    angle = ((torch.atan2(x, -y) + tenth).remainder(2 * tenth) - tenth).abs()
    radius = (x.square() + y.square()).sqrt()
    edge_x, edge_y = STAR_INNER * math.sin(tenth), STAR_INNER * math.cos(tenth) - EXTENT
    length = math.hypot(edge_x, edge_y)
    return ((radius * angle.cos() - EXTENT) * edge_x - radius * angle.sin() * edge_y) / length


# The distance to a shape's edge around its centre for radius 1, negative inside; y points down.
DISTANCES = {"circle": _circle, "square": _square, "triangle": _triangle, "star": _star}


def _span(low: float, high: float, part: float) -> float:
    return low + (high - low) * part


def path(thing: Thing, dial: Sequence[float]) -> Path:
    """Place a thing: the dials set x, y and radius within the range that keeps it inside the frame."""
    radius = _span(*RADII[thing.size], dial[2])
    if thing.motion in DIRECTIONS:
        dx, dy = (TRAVEL * part for part in DIRECTIONS[thing.motion])
        edge = EXTENT * radius
        x = _span(edge + max(0, -dx), SIDE - edge - max(0, dx), dial[0])
        y = _span(edge + max(0, -dy), SIDE - edge - max(0, dy), dial[1])
        return Path((x, y, radius), (x + dx, y + dy, radius))
    small, big = radius * 1.3 / GROWTH, radius * 1.3
    edge = EXTENT * big
    x, y = _span(edge, SIDE - edge, dial[0]), _span(edge, SIDE - edge, dial[1])
    radii = (small, big) if thing.motion == "growing" else (big, small)
    return Path((x, y, radii[0]), (x, y, radii[1]))


def _tracks(things: Sequence[Thing], dials: Tensor, frames: Tensor) -> Tensor:
    """Return x, y and radius of one thing per clip: (3, batch, frames)."""
    paths = [path(thing, dial) for thing, dial in zip(things, dials.tolist(), strict=True)]
    start, end = (torch.tensor([getattr(p, name) for p in paths]) for name in ("start", "end"))
    time = (frames / (FRAMES - 1))[..., None]
    return (start[:, None] + (end - start)[:, None] * time).movedim(-1, 0)


def distances(things: Sequence[Thing], dials: Tensor, frames: Tensor, side: int) -> Tensor:
    """Return the distances to the edge of one thing per clip, in pixels and negative inside.

    The shape is (batch, frames, side, side). They are measured at the centres of side x side equal parts.
    """
    x, y, radius = _tracks(things, dials, frames)[..., None, None]
    middle = (torch.arange(side) + 0.5) * (SIDE / side)
    gx, gy = (middle - x) / radius, (middle[:, None] - y) / radius
    result = torch.empty(*radius.shape[:2], side, side)
    for shape in {thing.shape for thing in things}:
        rows = [i for i, thing in enumerate(things) if thing.shape == shape]
        result[rows] = DISTANCES[shape](gx[rows], gy[rows]) * radius[rows]
    return result


def colours(names: Sequence[str]) -> Tensor:
    """Return colours by name as (batch, 1, 3, 1, 1) in -1..1."""
    return torch.tensor([PALETTE[name] for name in names])[:, None, :, None, None] / 127.5 - 1


def layer(
    scenes: Sequence[Scene], slot: int, dials: Tensor, frames: Tensor, side: int
) -> tuple[list[int], Tensor, Tensor]:
    """Return the rows of the scenes with a thing in a slot, its colours and its distances."""
    rows = [i for i, scene in enumerate(scenes) if len(scene.things) > slot]
    things = [scenes[i].things[slot] for i in rows]
    far = distances(things, dials[rows, 3 * slot : 3 * slot + 3], frames[rows], side)
    return rows, colours([thing.colour for thing in things]), far


def render(scenes: Sequence[Scene], dials: Tensor) -> Tensor:
    """Render clips (batch, frames, 3, side, side) in -1..1."""
    frames = torch.arange(FRAMES).expand(len(scenes), -1)
    clips = colours([scene.background for scene in scenes]).expand(-1, FRAMES, -1, SIDE, SIDE).clone()
    for slot in range(max(len(scene.things) for scene in scenes)):
        rows, painted, far = layer(scenes, slot, dials, frames, SIDE)
        mask = (0.5 - far).clamp(0, 1)[:, :, None]
        clips[rows] += mask * (painted - clips[rows])
    return clips


def to_uint8(clips: Tensor) -> Tensor:
    """Turn clips into frames (batch, frames, side, side, 3) of bytes."""
    return ((clips + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 1, 3, 4, 2)
