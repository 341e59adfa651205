"""Draw a small picture in a terminal: by kitty's protocol, as sixels, or in half blocks.

A terminal that can show pictures is known by its environment, since asking it would take its input. In tmux
and screen, which pass neither protocol on, half blocks work. In a pipe and without colours nothing is drawn.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from PIL import Image
from rich.color import Color
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import ControlType, Segment
from rich.style import Style

COLUMNS, ROWS = 32, 12  # of a picture, at most
CELL = (10, 20)  # pixels of a character, where the terminal does not tell
CHUNK = 4096  # bytes of one command of kitty's protocol
COLOURS = 64  # of a sixel picture
KITTY_TERMS = ("xterm-kitty", "xterm-ghostty")
KITTY_PROGRAMS = ("WezTerm", "ghostty")
SIXEL_TERMS = ("foot", "foot-direct", "mlterm", "contour", "yaft-256color")
PICTURE_ID = 7238  # so that a new picture takes the place of the one before
ERASE = f"\x1b_Ga=d,d=I,i={PICTURE_ID},q=2\x1b\\"  # kitty's pictures stay when the text below them is erased


class Mode(StrEnum):
    """How pictures are drawn."""

    auto = "auto"
    kitty = "kitty"
    sixel = "sixel"
    blocks = "blocks"
    off = "off"


def choose(wish: Mode, console: Console, environment: Mapping[str, str]) -> Mode:
    """Return the mode of a terminal; `off` in a pipe, whatever the wish."""
    if not console.is_terminal or console.is_dumb_terminal:
        return Mode.off
    if wish is not Mode.auto:
        return wish
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if "TMUX" not in environment and not term.startswith(("screen", "tmux")):
        if term in KITTY_TERMS or program in KITTY_PROGRAMS or "KITTY_WINDOW_ID" in environment:
            return Mode.kitty
        if term in SIXEL_TERMS or "sixel" in term:
            return Mode.sixel
    return Mode.blocks if console.color_system in ("256", "truecolor") and not console.no_color else Mode.off


@dataclass(frozen=True)
class Picture:
    """A JPEG that rich can render. Raises OSError when it is made, if it is none."""

    image: Image.Image
    mode: Mode

    @classmethod
    def read(cls, jpeg: bytes, mode: Mode) -> Picture:
        """Decode a preview. Raises OSError."""
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
            image.draft("RGB", (COLUMNS * CELL[0], COLUMNS * CELL[1]))
            return cls(image.convert("RGB"), mode)

    @property
    def size(self) -> tuple[int, int]:
        """Return the columns and lines that it takes: a character is twice as high as wide."""
        width, height = self.image.size
        rows = min(ROWS, max(1, round(COLUMNS * height / width / 2)))
        return min(COLUMNS, max(1, round(rows * 2 * width / height))), rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns, rows = self.size
        if self.mode is Mode.blocks:
            yield from _blocks(self.image.resize((columns, rows * 2)))
            return
        for _ in range(rows):
            yield Segment.line()
        code = (_kitty if self.mode is Mode.kitty else _sixel)(self.image, columns, rows)
        # The room is made by now: draw into it, and come back.
        yield Segment(f"\x1b7\x1b[{rows}A{code}\x1b8", None, [(ControlType.HOME,)])


def _blocks(image: Image.Image) -> Iterator[Segment]:
    """Yield lines of upper half blocks: each shows two pixels, as foreground and background."""
    for y in range(0, image.height, 2):
        for x in range(image.width):
            upper, lower = (_colour(image, x, each) for each in (y, y + 1))
            yield Segment("▀", Style(color=upper, bgcolor=lower))
        yield Segment.line()


def _colour(image: Image.Image, x: int, y: int) -> Color:
    pixel = image.getpixel((x, y))
    assert isinstance(pixel, tuple)  # noqa: S101 - the image is RGB
    return Color.from_rgb(*pixel)


def _kitty(image: Image.Image, columns: int, rows: int) -> str:
    """Return the commands that show a picture in kitty's protocol; they move no cursor and ask no answer."""
    file = io.BytesIO()
    image.save(file, "PNG")
    data = base64.standard_b64encode(file.getvalue()).decode()
    parts = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
    head = f"a=T,f=100,i={PICTURE_ID},p=1,q=2,C=1,c={columns},r={rows},"
    return "".join(
        f"\x1b_G{head if not n else ''}m={int(n < len(parts) - 1)};{part}\x1b\\"
        for n, part in enumerate(parts)
    )


def _sixel(image: Image.Image, columns: int, rows: int) -> str:
    """Return a picture as sixels: bands of six lines, and in each one row of characters per colour."""
    reduced = image.resize((columns * CELL[0], rows * CELL[1])).quantize(COLOURS)
    palette = reduced.getpalette() or []
    count = len(palette) // 3
    shades = [[round(value * 100 / 255) for value in palette[3 * n : 3 * n + 3]] for n in range(count)]
    registers = "".join(f"#{n};2;{red};{green};{blue}" for n, (red, green, blue) in enumerate(shades))
    width, height, pixels = reduced.width, reduced.height, reduced.tobytes()
    bands = "-".join(_band(pixels, width, top, min(top + 6, height)) for top in range(0, height, 6))
    return f'\x1bP0;1q"1;1;{width};{height}{registers}{bands}\x1b\\'


def _band(pixels: bytes, width: int, top: int, bottom: int) -> str:
    lines = [pixels[y * width : (y + 1) * width] for y in range(top, bottom)]
    rows = []
    for colour in sorted(set(b"".join(lines))):
        bits = [sum((line[x] == colour) << n for n, line in enumerate(lines)) for x in range(width)]
        rows.append(f"#{colour}" + "".join(chr(63 + each) for each in bits))
    return "$".join(rows)
