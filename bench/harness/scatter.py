"""Draw lines of points as SVG: two scales of powers, marked areas, a legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

LEFT, TOP, WIDTH, HEIGHT, LEGEND = 60, 16, 480, 340, 330  # pixels
COLOURS = ("#1565c0", "#c62828", "#2e7d32", "#ef6c00", "#6a1b9a", "#00838f", "#5d4037", "#455a64", "#ad1457")


@dataclass(frozen=True)
class Line:
    """Points in order, and the name that the legend has for them."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Axis:
    """One scale of powers: its name, the range, and the values that are marked."""

    name: str
    low: float
    high: float
    marks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Return where a value is, from 0 to 1; values outside are at the ends."""
        inside = min(max(value, self.low), self.high)
        return math.log(inside / self.low) / math.log(self.high / self.low)


def scatter(lines: Sequence[Line], across: Axis, up: Axis, goal: tuple[float, float]) -> str:
    """Return an SVG with the lines; what is within the goal on both axes is shaded."""
    x, y = _x(across, goal[0]), _y(up, goal[1])
    width, height, bottom = LEFT + WIDTH + LEGEND, TOP + HEIGHT + 48, TOP + HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<rect x="{LEFT}" y="{y:.1f}" width="{x - LEFT:.1f}" height="{bottom - y:.1f}" fill="#dcedc8"/>',
        *_axes(across, up),
    ]
    for number, line in enumerate(lines):
        parts += _line(line, COLOURS[number % len(COLOURS)], number, across, up)
    return "\n".join([*parts, "</svg>\n"])


def _x(axis: Axis, value: float) -> float:
    return LEFT + WIDTH * axis.place(value)


def _y(axis: Axis, value: float) -> float:
    return TOP + HEIGHT * (1.0 - axis.place(value))


def _axes(across: Axis, up: Axis) -> list[str]:
    bottom = TOP + HEIGHT
    lines = [
        f'<path d="M{_x(across, mark):.1f} {TOP}V{bottom}" stroke="#ddd"/>'
        f'<text x="{_x(across, mark):.1f}" y="{bottom + 16}" text-anchor="middle" fill="#555">{mark:g}</text>'
        for mark in across.marks
    ] + [
        f'<path d="M{LEFT} {_y(up, mark):.1f}h{WIDTH}" stroke="#ddd"/>'
        f'<text x="{LEFT - 6}" y="{_y(up, mark) + 4:.1f}" text-anchor="end" fill="#555">{mark:g}</text>'
        for mark in up.marks
    ]
    return [
        *lines,
        f'<text x="{LEFT + WIDTH / 2}" y="{bottom + 38}" text-anchor="middle">{escape(across.name)}</text>',
        f'<text transform="translate(16 {TOP + HEIGHT / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(up.name)}</text>",
    ]


def _line(line: Line, colour: str, number: int, across: Axis, up: Axis) -> list[str]:
    places = [(_x(across, one), _y(up, other)) for one, other in line.points]
    left, y = LEFT + WIDTH + 16, TOP + 12 + 20 * number
    path = " ".join(f"{one:.1f},{other:.1f}" for one, other in places)
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-opacity="0.5"/>',
        *(f'<circle cx="{one:.1f}" cy="{other:.1f}" r="3.5" fill="{colour}"/>' for one, other in places),
        f'<circle cx="{left}" cy="{y - 4}" r="4" fill="{colour}"/>',
        f'<text x="{left + 10}" y="{y}">{escape(line.name)}</text>',
    ]
