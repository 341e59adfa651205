"""Draw a report of usage as SVG: a bar of GPU-seconds for each row, in the parts that add up."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from eventing.api.usage.views import UsageRow, UsageView

ROW, LEFT, WIDTH, RIGHT, HEAD = 24, 260, 460, 200, 56  # pixels
MOST = 40  # rows
COLOURS = {"used": "#2e7d32", "starting": "#f9a825", "wasted": "#c62828", "idle": "#90a4ae"}


def picture(view: UsageView) -> str:
    """Return the SVG: the rows that paid most, those first."""
    rows = sorted(view.data, key=lambda row: row.gpu_seconds.paid, reverse=True)
    shown = rows[:MOST]
    height = HEAD + ROW * (len(shown) + 1) + 8
    longest = max((row.gpu_seconds.paid for row in shown), default=0.0) or 1.0
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="8" y="20" font-size="15">GPU-seconds from {view.since} to {view.until}</text>',
        *_legend(),
    ]
    for number, row in enumerate(shown):
        lines += _bar(HEAD + ROW * number, row, longest, view.currency)
    lines.append(f'<text x="8" y="{height - 12}">{escape(_foot(view, len(rows) - len(shown)))}</text>')
    return "\n".join([*lines, "</svg>\n"])


def _legend() -> Iterator[str]:
    for number, (part, colour) in enumerate(COLOURS.items()):
        x = LEFT + 90 * number
        yield f'<rect x="{x}" y="32" width="12" height="12" fill="{colour}"/>'
        yield f'<text x="{x + 17}" y="42">{part}</text>'


def _bar(y: int, row: UsageRow, longest: float, currency: str | None) -> Iterator[str]:
    yield f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(_name(row))}</text>'
    x = float(LEFT)
    for part, colour in COLOURS.items():
        width = WIDTH * getattr(row.gpu_seconds, part) / longest
        if width > 0:
            place = f'x="{x:.2f}" y="{y}" width="{width:.2f}" height="16"'
            yield f'<rect class="{part}" {place} fill="{colour}"/>'
        x += width
    yield f'<text x="{x + 6:.1f}" y="{y + 13}">{escape(_amount(row, currency))}</text>'


def _name(row: UsageRow) -> str:
    parts = [str(part) for part in (row.day, row.owner, row.model) if part is not None]
    text = "".join(each if each.isprintable() else "?" for each in " · ".join(parts)) or "all"
    return text if len(text) <= 42 else text[:41] + "…"


def _amount(row: UsageRow, currency: str | None) -> str:
    money = "" if row.cost is None else f" · {row.cost:,.2f} {currency}"
    return f"{row.gpu_seconds.paid:,.0f} s{money}"


def _foot(view: UsageView, hidden: int) -> str:
    more = f" · {hidden} more rows are not shown" if hidden else ""
    return f"total: {_amount(view.total, view.currency)} · {view.total.completed} videos{more}"
