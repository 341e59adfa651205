"""Start child processes that never outlive this one, with a log file each.

A child has a session of its own: Ctrl-C in a terminal reaches only this process, which stops its children in
its own order. A child is tied to this process (tether.py), so it ends even if this one is killed. Start
children from a thread that lives as long as they do: Linux takes the end of the starting *thread* for the end
of the parent.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from eventing.standalone.data.files import FOLDER_MODE, UMASK, append_private

TETHER = Path(__file__).with_name("tether.py")
LOOPBACK = "127.0.0.1"
TAIL_BYTES = 64 << 10


class Process:
    """One running child, the first of its process group. Made by `start`, or by a template (template.py)."""

    def __init__(self, pid: int, end: Coroutine[Any, Any, int], log: Path) -> None:
        self._end = asyncio.create_task(self._ended(end), name=f"end of {pid}")
        self.log = log
        self.pid = pid

    @classmethod
    async def start(
        cls, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None,
        stdin: int = asyncio.subprocess.PIPE,
    ) -> Process:  # fmt: skip
        """Start a command; its output is appended to `log`, and its files are its owner's only.

        Raises OSError if the log cannot be written.
        """
        tied = [sys.executable, "-IS", str(TETHER), str(os.getpid()), *command]
        log.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        with append_private(log) as output:
            # A watching tether reads this pipe, which ends with this process.
            child = await asyncio.create_subprocess_exec(
                *tied, stdin=stdin, stdout=output, stderr=output,
                env=env, cwd=cwd, start_new_session=True, umask=UMASK,
            )  # fmt: skip
        return cls(child.pid, child.wait(), log)

    @property
    def alive(self) -> bool:
        """Tell whether the process still runs."""
        return not self._end.done()

    @property
    def status(self) -> int | None:
        """Return the exit status, negative for a signal's number; None while it runs."""
        return None if self.alive else self._end.result()

    async def wait(self) -> int:
        """Wait for its end and return the exit status."""
        return await asyncio.shield(self._end)

    async def stop(self, grace: float) -> None:
        """End it and all its children: SIGTERM, `grace` seconds, SIGKILL. Safe to call again.

        Cancelling the call shortens the grace but still kills the process.
        """
        try:
            if grace > 0:
                self._signal(signal.SIGTERM)
                await asyncio.wait({self._end}, timeout=grace)
        finally:
            self._signal(signal.SIGKILL)
        await self.wait()

    async def _ended(self, end: Coroutine[Any, Any, int]) -> int:
        status = await end
        # At once, before the system reuses the group's number: the child's own children end with it.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        return status

    def _signal(self, number: signal.Signals) -> None:
        if self.alive:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)


def tail(log: Path, lines: int = 20) -> list[str]:
    """Return the last lines of a log file that are not blank; empty if there is no file."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()][-lines:]


def last_words(log: Path) -> str:
    """Return the message of the last JSON error record in a log, or else its last line."""
    lines = tail(log)
    for line in reversed(lines):
        with suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict) and record.get("level") in ("error", "critical"):
                return str(record.get("message", ""))[:500]
    return lines[-1][:500] if lines else "its log is empty"


def is_free(port: int) -> bool:
    """Tell whether a loopback port can be listened on now."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        # Servers set this too: closing connections of an earlier listener do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Return a loopback port that is free now. Another process may take it first: be ready to retry."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
