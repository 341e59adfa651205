"""Waiting for what happens elsewhere, and looking at processes: for tests of things that start and stop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LIMIT = 300.0  # only a hang gets there


async def eventually(check: Callable[[], object], limit: float = LIMIT) -> None:
    """Return once `check` is true. Raises AssertionError after `limit` seconds."""
    deadline = time.monotonic() + limit
    while not check():
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.01)


def gone(pid: int | None) -> bool:
    """Whether no such process runs; one that only waits to be reaped is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def processes_naming(text: str) -> list[str]:
    """Command lines and folders of running processes in which a text, such as a data directory, occurs."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            place = str((folder / "cwd").readlink())
        except OSError:
            continue
        if text in command or text in place:
            found.append(f"{folder.name}: {command} in {place}")
    return found


@contextmanager
def python(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process over pipes, killed at the end."""
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def first_number(running: subprocess.Popen[str]) -> int:
    """The number in the first line that a process prints."""
    assert running.stdout
    return int(running.stdout.readline())
