"""Small files of the data directory: private, replaced atomically, read without surprises; and its log."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any


def write_private(path: Path, text: str) -> None:
    """Write a file only its owner can read, in place of any there was. Raises OSError."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty if there is none or it cannot be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


class LogFile(logging.FileHandler):
    """A log that says once, in one line, that it cannot be written: a full disk is no flood of tracebacks."""

    _told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Tell whoever watches the terminal."""
        if not self._told:
            self._told = True
            sys.stderr.write(
                f"reelzero: the log {self.baseFilename} cannot be written: {sys.exc_info()[1]}\n"
            )
