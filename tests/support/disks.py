"""A small disk that can really be full: a tmpfs in a mount namespace of its own.

`unshare` makes the namespace as root, or as anybody where the kernel allows user namespaces. A process in it
holds the tmpfs until its standard input ends, which is when the test does, however that ends, so no mount
is left.

`path` is the disk as any process sees it, through /proc. SQLite resolves such a link and would end up
elsewhere: who uses it joins the namespace by `enter` and finds the disk at `place`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import RawIOBase
from pathlib import Path
from typing import Self

HOLD = 'mount -t tmpfs -o "size=$1,mode=0700" tmpfs "$2" && echo mounted && exec cat'
WAYS = (("unshare", "--mount"), ("unshare", "--user", "--map-root-user", "--mount"))
BALLAST = "ballast"
PIECE = bytes(1 << 20)


class Disk:
    """A mounted disk. Use as a context manager."""

    def __init__(self, place: Path, size: int, way: tuple[str, ...] | None = None) -> None:
        self.place, self._size, self._way = place, size, way or _way()

    def __enter__(self) -> Self:
        assert self._way, missing()
        self.place.mkdir(parents=True, exist_ok=True)
        command = [*self._way, "sh", "-c", HOLD, "sh", str(self._size), str(self.place)]
        self._holder = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self._holder.stdout and self._holder.stderr
        if not self._holder.stdout.readline():
            words = self._holder.stderr.read().decode().strip()
            self.__exit__()
            raise OSError(f"{' '.join(self._way)}: {words}")
        return self

    def __exit__(self, *_: object) -> None:
        self._holder.communicate()

    @property
    def pid(self) -> int:
        """The process whose namespaces hold the disk."""
        return self._holder.pid

    @property
    def path(self) -> Path:
        """The disk, seen from any process."""
        return Path(f"/proc/{self.pid}/root{self.place}")

    @contextmanager
    def full(self, leave: int = 0) -> Iterator[None]:
        """While no room is left but for `leave` bytes, in pages of 4096."""
        ballast = self.path / BALLAST
        try:
            with ballast.open("wb", buffering=0) as file:
                _write_all(file)
                file.truncate(file.tell() - leave)
            yield
        finally:
            ballast.unlink()

    def files(self) -> list[str]:
        """Everything on the disk but the ballast."""
        found = self.path.rglob("*")
        return sorted(str(path.relative_to(self.path)) for path in found if path.name != BALLAST)


def _write_all(file: RawIOBase) -> None:
    try:
        while True:
            file.write(PIECE)
    except OSError as error:
        assert error.errno == errno.ENOSPC


def enter(holder: int) -> None:
    """Join the namespaces of a process, so that its disk is there. Only for a process of one thread."""
    own = Path("/proc/self/ns")
    theirs = Path(f"/proc/{holder}/ns")
    differ = [kind for kind in ("user", "mnt") if (own / kind).readlink() != (theirs / kind).readlink()]
    files = [os.open(theirs / kind, os.O_RDONLY | os.O_CLOEXEC) for kind in differ]
    libc = ctypes.CDLL(None, use_errno=True)
    for file in files:
        if libc.setns(file, 0):
            raise OSError(ctypes.get_errno(), "setns")
        os.close(file)


@cache
def _way() -> tuple[str, ...]:
    """The first way to a namespace that works here; empty if none does."""
    with tempfile.TemporaryDirectory(prefix="rz-disk-") as folder:
        for way in WAYS:
            try:
                with Disk(Path(folder), 1 << 20, way):
                    return way
            except OSError:
                continue
    return ()


def missing() -> str:
    """Why there can be no disk here; empty if there can."""
    if _way():
        return ""
    return "no really full disk here: it needs Linux, util-linux' unshare, and root or user namespaces"


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Disk]:
    """A disk for a test, which is skipped where there can be none."""
    import pytest  # not by processes that only join

    if word := missing():
        pytest.skip(word)
    with Disk(place, size) as disk:
        yield disk
