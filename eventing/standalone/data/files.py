"""Files of the data directory: closed to other users, replaced atomically; and its log."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO

FILE_MODE = 0o600
FOLDER_MODE = 0o700
UMASK = 0o077  # for child processes, whose files must be private too


def make_private_folder(path: Path) -> None:
    """Make a folder that only its owner can enter; close one that exists. Raises OSError."""
    path.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    _close(path, FOLDER_MODE)


def append_private(path: Path) -> BinaryIO:
    """Open a file at its end, for its owner only. Raises OSError."""
    return open(path, "ab", opener=open_private)


def open_private(path: str, flags: int) -> int:
    """Open a file that only its owner can read; an `opener` for `open`. Raises OSError."""
    descriptor = os.open(path, flags, FILE_MODE)
    os.fchmod(descriptor, FILE_MODE)
    return descriptor


def close_to_others(folder: Path, names: Iterable[str]) -> None:
    """Take all rights of other users from these entries of a folder and all below. Raises OSError.

    Symbolic links stay as they are: what they lead to may be shared on purpose.
    """
    for path in (folder / name for name in names):
        if path.is_symlink() or not path.exists():
            continue
        _close(path, FOLDER_MODE if path.is_dir() else FILE_MODE)
        if path.is_dir():
            close_to_others(path, (entry.name for entry in path.iterdir()))


def _close(path: Path, mode: int) -> None:
    if path.stat().st_mode & 0o777 != mode:
        path.chmod(mode)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; replaces one that exists. Raises OSError."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
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
    """Return the JSON object in a file; empty if there is no file or it cannot be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


class LogFile(logging.FileHandler):
    """A private log. If it cannot be written, stderr gets one line about it, once, also on a full disk."""

    _reported = False

    def _open(self) -> TextIOWrapper:
        file = open(self.baseFilename, self.mode, encoding=self.encoding, opener=open_private)  # noqa: SIM115 -- as logging does
        assert isinstance(file, TextIOWrapper)  # noqa: S101 - text mode
        return file

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Write the reason to the terminal, the first time only."""
        if not self._reported:
            self._reported = True
            sys.stderr.write(
                f"reelzero: the log {self.baseFilename} cannot be written: {sys.exc_info()[1]}\n"
            )
