"""The file of a SQLite database: made for its owner only, and missed when it is gone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from eventing.contract.errors import Unavailable
from eventing.store.database.failures import DISK_FULL, RETRY_AFTER

LEAST_ROOM = 1 << 20  # bytes left on the disk; with less the next jobs may not fit


class SqliteFile:
    """One database file, which the connections of one pool have open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None

    def create(self) -> None:
        """Make the file, readable by its owner only. Leaves one that exists as it is. Raises OSError."""
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))

    def check(self) -> bool:
        """Tell whether the open connections lead to this file; False if another has replaced it.

        Open connections go on in a file that was deleted, so what they store would be lost. Raises
        Unavailable.
        """
        try:
            status = self._path.stat()
        except OSError as error:
            what = "is gone" if self._seen else "does not exist: run `reelzero migrate`"
            raise Unavailable(f"the database file {self._path} {what}", retry_after=RETRY_AFTER) from error
        here = (status.st_dev, status.st_ino)
        same = self._seen in (None, here)
        self._seen = here
        return same

    def check_room(self) -> None:
        """Raise Unavailable if the disk has no room for more jobs."""
        if shutil.disk_usage(self._path.parent).free < LEAST_ROOM:
            raise Unavailable(DISK_FULL, retry_after=RETRY_AFTER)
