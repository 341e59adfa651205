"""Read the files of weights into the page cache while the imports of a start run.

Imports keep one core busy for seconds, in which the disk would do nothing. What is cached already is skipped.
Nothing is read where it would not fit into the free memory.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

CHUNK = 8 << 20  # bytes of one read
CGROUP = Path("/sys/fs/cgroup")
MEMORY = Path("/proc/meminfo")


def begin(folder: Path | None) -> None:
    """Start to read the weights of a folder, in a thread that ends with the process. Returns at once."""
    if folder is not None and hasattr(os, "preadv"):
        threading.Thread(target=read, args=(folder,), name="read-ahead", daemon=True).start()


def read(folder: Path) -> int:
    """Read the weights and return how many bytes were not cached. A file that cannot be read is left out."""
    files = sorted(folder.rglob("*.safetensors"))
    with suppress(OSError, ValueError):
        if sum(file.stat().st_size for file in files) <= free_memory():
            return sum(_read(file) for file in files)
    return 0


def free_memory() -> int:
    """Return the bytes that the machine and the container have left. Raises OSError, ValueError."""
    lines = dict(line.split(":") for line in MEMORY.read_text(encoding="ascii").splitlines())
    free = int(lines["MemAvailable"].split()[0]) << 10
    with suppress(OSError, ValueError):  # a machine without cgroups, or `max`
        limit = int((CGROUP / "memory.max").read_text(encoding="ascii"))
        free = min(free, limit - int((CGROUP / "memory.current").read_text(encoding="ascii")))
    return free


def is_cached(descriptor: int, offset: int) -> bool:
    """Tell whether a file's byte can be read without its disk."""
    try:
        return os.preadv(descriptor, [bytearray(1)], offset, os.RWF_NOWAIT) == 1
    except OSError:  # it is not, or the file system cannot tell
        return False


def _read(file: Path) -> int:
    """Read a file in chunks. A chunk counts as cached by its last byte, as Linux itself reads on a bit."""
    buffer, count, size = bytearray(CHUNK), 0, file.stat().st_size
    descriptor = os.open(file, os.O_RDONLY)
    try:
        for offset in range(0, size, CHUNK):
            if not is_cached(descriptor, min(offset + CHUNK, size) - 1):
                count += os.preadv(descriptor, [buffer], offset)
    finally:
        os.close(descriptor)
    return count
