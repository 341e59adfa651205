"""Draw a chart of bars as SVG, on a scale of powers of ten with a line at 1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

ROW, LEFT, WIDTH, RIGHT = 22, 430, 420, 60  # pixels
DECADES = (-3, 1)  # from 0.001 to 10; longer and shorter bars end there


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its length, and whether it is good."""

    label: str
    value: float
    good: bool


def chart(bars: list[Bar]) -> str:
    """Return an SVG with a bar in each row."""
    height = ROW * (len(bars) + 1) + 8
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    lines += [line for row, bar in enumerate(bars) for line in _bar(row, bar)]
    lines += [_mark(10.0**power, height) for power in range(DECADES[0], DECADES[1] + 1)]
    return "\n".join([*lines, "</svg>\n"])


def _x(value: float) -> float:
    low, high = DECADES
    power = math.log10(max(value, 1e-9))
    return LEFT + WIDTH * (min(max(power, low), high) - low) / (high - low)


def _bar(row: int, bar: Bar) -> list[str]:
    y, end = ROW * row + 6, _x(bar.value)
    fill = "#2e7d32" if bar.good else "#c62828"
    return [
        f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect x="{LEFT}" y="{y}" width="{max(1.0, end - LEFT):.1f}" height="{ROW - 8}" fill="{fill}"/>',
        f'<text x="{end + 5:.1f}" y="{y + 12}">{bar.value:.2g}</text>',
    ]


def _mark(value: float, height: int) -> str:
    x, colour = _x(value), "#000" if value == 1 else "#ccc"
    return (
        f'<path d="M{x:.1f} 0V{height - ROW}" stroke="{colour}" stroke-dasharray="2 3"/>'
        f'<text x="{x:.1f}" y="{height - 6}" text-anchor="middle" fill="#555">{value:g}</text>'
    )
