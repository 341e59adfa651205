"""Keep the inputs of steps on the node, bounded, and never trust them without their sha256."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from pathlib import Path

from steps.runner import transfer
from steps.runner.failures import Check, Record


class Cache:
    """Files by their sha256, shared by all steps of a node. A file is there whole or not at all."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder, limit
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, source: Record, target: Path, check: Check) -> None:
        """Put a file at `target`: from the cache, if its bytes are right, else from its address."""
        kept = self._folder / source["sha256"]
        with contextlib.suppress(OSError):
            os.utime(kept)
            shutil.copyfile(kept, target)
            if transfer.digest(target, check) == source["sha256"]:
                return
            kept.unlink(missing_ok=True)  # a disk that lies
        transfer.patiently("an input", lambda: transfer.download(source, target, check), check)
        if source["bytes"] <= self._limit:
            self._keep(target, kept)

    def _keep(self, source: Path, kept: Path) -> None:
        part = kept.with_name(f".{uuid.uuid4().hex}")
        with contextlib.suppress(OSError):
            shutil.copyfile(source, part)
            part.replace(kept)
        part.unlink(missing_ok=True)
        self._shrink()

    def _shrink(self) -> None:
        """Remove what was used the longest ago, until the rest has room."""
        files = []
        for path in self._folder.iterdir():
            with contextlib.suppress(OSError):
                files.append((path.stat().st_mtime, path.stat().st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self._limit:
                return
            total -= size
            path.unlink(missing_ok=True)
