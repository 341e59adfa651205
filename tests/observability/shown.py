"""What `make test-observability` shows after its tests: one text file for each thing that is worth a look."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[2] / "build" / "observability"


def show(name: str, text: str) -> None:
    """Keep a text for the reader of the tests."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.txt").write_text(f"{text}\n")
