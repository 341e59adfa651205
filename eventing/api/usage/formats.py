"""Write a report of usage as CSV: one line per row, the total left out, so that columns can be added up."""

from __future__ import annotations

import csv
import io

from eventing.api.usage.views import UsageRow, UsageView

PLAIN = [name for name in UsageRow.model_fields if name not in ("gpu_seconds", "cost")]
PARTS = ("paid", "used", "starting", "wasted", "idle")
COLUMNS = [*PLAIN, *(f"gpu_seconds_{part}" for part in PARTS), "cost", "currency"]


def as_csv(view: UsageView) -> str:
    """Return the rows with a line of names first; an absent value is empty."""
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(COLUMNS)
    for row in view.data:
        parts = [getattr(row.gpu_seconds, part) for part in PARTS]
        lines.writerow([*(getattr(row, name) for name in PLAIN), *parts, row.cost, view.currency])
    return text.getvalue()
