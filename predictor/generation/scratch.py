"""Give every job a folder on the scratch disk, and remove the folders that killed predictors left there.

A process owns a folder while it holds a lock (flock) on it. The kernel drops the lock when the process ends,
so a folder that can be locked has no owner. Several predictors of one machine may share a scratch disk.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "reelzero-job-"
log = logging.getLogger(__name__)


@contextmanager
def job_folder(scratch: Path) -> Iterator[Path]:
    """Make a locked folder for one job, and remove it afterwards. Raises OSError if that is not possible."""
    path, lock = _create(scratch)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def sweep(scratch: Path) -> None:
    """Remove every job folder that no living process owns. A folder that cannot be read or removed stays."""
    for path in scratch.glob(PREFIX + "*"):
        with suppress(OSError):
            if (lock := _lock(path)) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)
                log.info("removed a folder of a predictor that was killed", extra={"folder": str(path)})


def _create(scratch: Path) -> tuple[Path, int]:
    """Make a folder and lock it. Try again if another predictor's sweep removed it before the lock."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=scratch))
        with suppress(FileNotFoundError):
            if (lock := _lock(path)) is not None:
                return path, lock


def _lock(path: Path) -> int | None:
    """Lock a folder and return its descriptor; None if another process holds the lock or the folder is gone.

    Raises OSError if the folder cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.lstat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
