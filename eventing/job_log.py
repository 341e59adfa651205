"""Read what the logs of this machine say of a job: the lines of the service and of its predictors."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

Line = dict[str, Any]  # as it was written: time, level, logger, message, job_id, and what else belongs to it


def read(folder: Path, names: Collection[str]) -> list[Line]:
    """Return the lines of all logs in a folder that are about a job with one of these names, oldest first."""
    return sorted(_lines(folder, names), key=lambda line: str(line["time"]))


def _lines(folder: Path, names: Collection[str]) -> Iterator[Line]:
    for path in folder.glob("*.log*"):
        with path.open(encoding="utf-8", errors="replace") as file:
            for text in file:
                if not any(name in text for name in names):
                    continue
                try:
                    line = json.loads(text)
                except ValueError:
                    continue
                if isinstance(line, dict) and line.get("job_id") in names and "time" in line:
                    yield line
