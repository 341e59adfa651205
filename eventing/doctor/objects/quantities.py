"""Read amounts as Kubernetes writes them, and durations as ISO 8601 does."""

from __future__ import annotations

import re
from typing import Any

UNITS = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip
QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE]([+-]?[0-9]{1,2})|([A-Za-z]*))")
ISO_DURATION = re.compile(r"P(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+([.,]\d+)?S)?)?")


def quantity(value: Any) -> float | None:
    """Read an amount such as 500m, 2 or 4Gi; None for anything else."""
    match = QUANTITY.fullmatch(str(value)) if isinstance(value, str | int | float) else None
    if match is None or (match[3] or "") not in UNITS:
        return None
    return float(match[1]) * UNITS[match[3] or ""] * 10.0 ** int(match[2] or 0)


def is_iso_duration(text: Any) -> bool:
    """Tell whether a text is a duration such as PT2S or P1DT12H."""
    return isinstance(text, str) and bool(ISO_DURATION.fullmatch(text))
