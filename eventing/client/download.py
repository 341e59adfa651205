"""Download a file to its place, whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

import aiohttp

from eventing.client.calls import Calls
from eventing.contract.errors import StorageError

CHUNK = 256 << 10
ENDLESS = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)


async def download(calls: Calls, address: str, path: Path, sha256: str | None) -> None:
    """Write what is at an address to `path`, which appears with all its bytes and replaces an older file.

    Raises StorageError if the checksum differs, OSError if the file cannot be written, Refused, Away.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        digest = await _write(calls, address, part)
        if sha256 not in (None, digest):
            raise StorageError(f"{path} was damaged in transit: its checksum differs; download it again")
        part.replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()


async def _write(calls: Calls, address: str, part: Path) -> str:
    """Write the bytes to a file and to the disk; return their SHA-256."""
    digest = hashlib.sha256()
    async with calls.open("GET", address, timeout=ENDLESS, headers={"Accept": "*/*"}) as answer:
        with part.open("wb") as file:
            async for chunk in answer.content.iter_chunked(CHUNK):
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    return digest.hexdigest()


def place_of(path: str | Path, name: str) -> Path:
    """Return where a file goes: into a folder under its name, else to the path itself."""
    return Path(path) / name if Path(path).is_dir() or str(path).endswith("/") else Path(path)
