"""Turn lengths and shapes in the words of a dialect into frames and pixels of a model, and back. Pure.

A length becomes the nearest number of frames that the model makes. A size is exactly one of the model's. A
resolution (720p) and an aspect ratio (16:9) are names: models round sides to a grid, so 1280x704 is 720p and
16:9 as well. Each name belongs to the nearest usual one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from eventing.contract.catalog import CatalogEntry
from eventing.contract.errors import InvalidRequest

SHORT_SIDES = {"360p": 360, "480p": 480, "512p": 512, "720p": 720, "768p": 768, "1080p": 1080}
LARGE = {"1K": 1080, "2K": 1440, "4K": 2160}  # other names for a short side
RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9", "9:21")
NEAR = 0.05  # share by which a ratio may differ from the usual one whose name it has
NEAR_SIDE = 0.04  # the same for the short side: 704 is 720p, and 640 is not
RESOLUTION, RATIO = re.compile(r"^[1-9]\d{1,3}p$"), re.compile(r"^[1-9]\d{0,2}:[1-9]\d{0,2}$")
Size = tuple[int, int]


def exact_size(text: str, entry: CatalogEntry) -> Size:
    """Return the size in `1280x720`. Raises InvalidRequest if the model cannot make it."""
    width, height = (int(side) for side in text.split("x"))
    if not entry.makes(width, height):
        raise InvalidRequest(
            f"{entry.name} cannot make {text}; it makes {entry.describe_sizes()}", field="size"
        )
    return width, height


def frames_of(seconds: float, fps: int, entry: CatalogEntry, field: str) -> int:
    """Return the nearest count of frames. Raises InvalidRequest if it is outside the model's range."""
    rule, exact = entry.frames, seconds * fps
    nearest = rule.nearest(exact)
    # A client must expect rounding by one step of the rule.
    if abs(nearest - exact) > max(rule.multiple, 1):
        raise InvalidRequest(
            f"{entry.name} cannot make {seconds:g} s at {fps} frames per second; "
            f"it makes {rule.min / fps:.3g} to {rule.max / fps:.3g} s",
            field=field,
        )
    return nearest


def durations(entry: CatalogEntry) -> list[int]:
    """Return the whole seconds that the model can make at its own frame rate, to within half a second."""
    rule, fps = entry.frames, entry.fps
    seconds = range(1, math.ceil(rule.max / fps) + 1)
    most = min(rule.multiple, fps / 2)
    return [s for s in seconds if abs(rule.nearest(s * fps) - s * fps) <= most]


def resolution_of(size: Size) -> str:
    """Return the name of a size by its short side, such as 720p."""
    return _side_name(min(size))


def _side_name(short: int) -> str:
    usual = SHORT_SIDES | {"2K": LARGE["2K"], "4K": LARGE["4K"]}
    name = min(usual, key=lambda name: abs(usual[name] - short))
    return name if abs(usual[name] - short) <= NEAR_SIDE * short else f"{short}p"


def ratio_of(size: Size) -> str:
    """Return the name of a size's aspect ratio: the usual one that it is near, or the exact one."""
    exact = size[0] / size[1]
    name = min(RATIOS, key=lambda name: abs(math.log(_ratio(name) / exact)))
    if abs(_ratio(name) / exact - 1) <= NEAR:
        return name
    common = math.gcd(*size)
    return f"{size[0] // common}:{size[1] // common}"


def named_size(resolution: str | None, ratio: str | None, entry: CatalogEntry) -> Size | None:
    """Return the model's size with these names; None if neither is sent.

    One of the listed sizes goes first. A model with free sizes makes others: the short side of the resolution
    and the long one by the ratio, on the model's grid. Raises InvalidRequest naming what cannot be had.
    """
    if resolution is None and ratio is None:
        return None
    default = entry.sizes[0]
    for size in entry.sizes:
        if _fits(size, resolution, ratio):
            return size
    short = _short(resolution) if resolution else min(default)
    size = _free(short, _ratio(ratio or ratio_of(default)), entry.sides.multiple)
    if entry.makes(*size):
        return size
    raise _cannot(resolution, ratio, entry)


def check_names(resolution: str | None, ratio: str | None) -> None:
    """Raise InvalidRequest for what is no resolution and no aspect ratio, whatever the model is."""
    if resolution is not None and resolution not in LARGE and not RESOLUTION.match(resolution):
        raise InvalidRequest(
            f"resolution: must be the short side, such as 480p or 720p, or one of {', '.join(LARGE)}",
            field="resolution",
        )
    if ratio is not None and not RATIO.match(ratio):
        raise InvalidRequest("aspect_ratio: must be width:height, such as 16:9", field="aspect_ratio")


def _cannot(resolution: str | None, ratio: str | None, entry: CatalogEntry) -> InvalidRequest:
    """Name the resolution if no size has it, else the ratio, with those that can be had."""
    of_resolution = [size for size in entry.sizes if _fits(size, resolution, None)]
    if resolution is not None and not of_resolution:
        rest = _listed(resolution_of(size) for size in entry.sizes)
        return InvalidRequest(
            f"{entry.name} cannot make {resolution}; it makes {rest}{_all_sizes(entry)}", field="resolution"
        )
    wish = f"{ratio} at {resolution}" if resolution else f"{ratio}"
    rest = _listed(ratio_of(size) for size in of_resolution or entry.sizes)
    return InvalidRequest(
        f"{entry.name} cannot make {wish}; it makes {rest}{_all_sizes(entry)}", field="aspect_ratio"
    )


def _all_sizes(entry: CatalogEntry) -> str:
    return f" (its sizes: {entry.describe_sizes()})"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _fits(size: Size, resolution: str | None, ratio: str | None) -> bool:
    same_side = resolution is None or resolution_of(size) == _side_name(_short(resolution))
    return same_side and (ratio is None or ratio_of(size) == ratio or _ratio(ratio) == size[0] / size[1])


def _short(resolution: str) -> int:
    return LARGE.get(resolution) or int(resolution.removesuffix("p"))


def _ratio(name: str) -> float:
    width, height = name.split(":")
    return int(width) / int(height)


def _free(short: int, ratio: float, multiple: int) -> Size:
    """Return a size on the model's grid. Sides are rounded down, so that the area stays within its limit."""
    long = short * max(ratio, 1 / ratio)
    sides = (short // multiple * multiple, int(long) // multiple * multiple)
    return (sides[1], sides[0]) if ratio >= 1 else sides
