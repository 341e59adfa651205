"""Start the processes of ranks 1 and up, exchange messages with them, and notice when one ends.

A channel closes when the process at its other end ends, however that happens. So a dead rank is noticed at
once, and a rank never outlives rank 0. This file imports no torch.
"""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path

from eventing.contract.errors import DeviceLost
from predictor.models.ranks.messages import End, Report, receive, send

COMMAND = (sys.executable, "-m", "predictor.models.ranks")
END_SECONDS = 10.0  # for a process to end before it is killed
log = logging.getLogger(__name__)


@dataclass
class Peer:
    """The process of one rank, the channel to it, and its latest failure."""

    rank: int
    process: subprocess.Popen[bytes]
    connection: Connection
    failure: str | None = None

    def end(self) -> str:
        """Return how the process ended."""
        status = self.process.wait()
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        return f"rank {self.rank} {how}" + (f": {self.failure}" if self.failure else "")


class Ranks:
    """All ranks but rank 0, which calls these methods. `count` is the number of ranks with rank 0."""

    def __init__(self, count: int, command: Sequence[str] = ()) -> None:
        self.count = count
        self.loss: str | None = None  # why a rank is gone
        self._on_loss: Callable[[str], None] | None = None
        self._lock = threading.Lock()
        self._ends = False
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        meeting = os.memfd_create("reelzero-ranks")  # a file without a name, which ends with the processes
        self.meeting_place = Path(f"/proc/self/fd/{meeting}")
        self._peers = [_start(rank, command or COMMAND, meeting) for rank in range(1, count)]
        threading.Thread(target=self._listen, name="ranks", daemon=True).start()

    def send(self, message: object, rank: int | None = None) -> None:
        """Send a message to one rank, or to all. A rank that is gone is noticed elsewhere."""
        for peer in self._peers:
            if rank in (None, peer.rank):
                with suppress(OSError):
                    send(peer.connection, message)

    def together(self, action: Callable[[], None]) -> None:
        """Run rank 0's part in a thread of its own, whose end is a report: it may hang if another fails."""

        def run() -> None:
            try:
                action()
            except Exception as error:
                log.exception("rank 0 failed")
                self._reports.put(Report(0, f"{type(error).__name__}: {error}"))
            else:
                self._reports.put(Report(0))

        threading.Thread(target=run, name="rank-0", daemon=True).start()

    def reports(self, expected: int, seconds: float | None = None) -> Iterator[Report]:
        """Yield so many reports. Raises DeviceLost if a rank is gone or does not report in time."""
        end = None if seconds is None else time.monotonic() + seconds
        for _ in range(expected):
            try:
                report = self._reports.get(timeout=None if end is None else max(0.0, end - time.monotonic()))
            except queue.Empty as late:
                raise self.lost(f"a rank did not answer within {seconds:g} s") from late
            if self.loss:
                raise self.lost(self.loss)
            yield report

    def lost(self, cause: str) -> DeviceLost:
        """Note that the ranks cannot work together. Return the error to raise, with the first cause."""
        with self._lock:
            is_first, self.loss = self.loss is None, self.loss or cause
            action = self._on_loss if is_first and not self._ends else None
        if action:
            action(self.loss)
        return DeviceLost(f"{self.loss}; this predictor must be replaced")

    def when_lost(self, action: Callable[[str], None]) -> None:
        """Call an action with the cause when a rank is gone, or now if one is."""
        with self._lock:
            self._on_loss = action
            loss = self.loss
        if loss:
            action(loss)

    def close(self) -> None:
        """End the processes. Returns when they have ended."""
        self._ends = True
        self.send(End())
        for peer in self._peers:
            try:
                peer.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                peer.process.kill()
                peer.process.wait()

    def _listen(self) -> None:
        """Take all reports, until every rank is gone."""
        peers = {peer.connection: peer for peer in self._peers}
        while peers:
            for connection in wait(list(peers)):
                peer = peers[connection]  # type: ignore[index] # only connections are waited for
                try:
                    report: Report = receive(peer.connection)
                except (EOFError, OSError):
                    del peers[peer.connection]
                    self.lost(peer.end())
                    self._reports.put(Report(peer.rank))  # wakes a thread that waits for one
                else:
                    peer.failure = report.failure
                    self._reports.put(report)


def _start(rank: int, command: Sequence[str], meeting: int) -> Peer:
    ours, theirs = Pipe()
    arguments, files = [*command, str(theirs.fileno())], [theirs.fileno(), meeting]
    process = subprocess.Popen(arguments, pass_fds=files)  # noqa: S603 - no shell
    theirs.close()
    return Peer(rank, process, ours)
