"""Write a report of usage as CSV: one line per row, the total left out, so that columns can be added up."""

from __future__ import annotations

import csv
import io
from typing import Any

from eventing.api.usage.views import UsageRow, UsageView

PLAIN = [name for name in UsageRow.model_fields if name not in ("gpu_seconds", "cost")]
PARTS = ("paid", "used", "starting", "wasted", "idle")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the beginning of one
COLUMNS = [*PLAIN, *(f"gpu_seconds_{part}" for part in PARTS), "cost", "currency"]


def as_csv(view: UsageView) -> str:
    """Return the rows with a line of names first; an absent value is empty.

    A name that a spreadsheet would run as a formula has an apostrophe before it.
    """
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(COLUMNS)
    for row in view.data:
        parts = [getattr(row.gpu_seconds, part) for part in PARTS]
        cells = [*(getattr(row, name) for name in PLAIN), *parts, row.cost, view.currency]
        lines.writerow(map(_harmless, cells))
    return text.getvalue()


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
