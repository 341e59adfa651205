"""Finish one attempt off the device, in a thread of its own, while the device works on the next one.

One attempt at most is here: an attempt that leaves the device waits for the one before it. So the files of
two attempts at most are on the scratch disk. The device waits only if the files of a video take longer than
the next video.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from predictor.device.channel import Terminal
from predictor.device.run import Run

POLL = 0.1  # seconds between two looks whether the waiting attempt must stop


class Tail:
    """The place after the device. `reserve` and `begin` are for the device thread."""

    def __init__(self, name: str) -> None:
        self.run: Run | None = None  # which is here now
        self._place = threading.Lock()
        self._inbox: queue.SimpleQueue[Callable[[], Terminal]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._live, name=f"tail-{name}", daemon=True)

    @property
    def busy(self) -> bool:
        """Tell whether an attempt has the place."""
        return self._place.locked()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def reserve(self, run: Run) -> None:
        """Wait for the place. Raises Cancelled, GenerationTimeout."""
        while not self._place.acquire(timeout=POLL):
            run.monitor.check()
        self.run = run

    def release(self) -> None:
        """Give the reserved place back."""
        self.run = None
        self._place.release()

    def begin(self, work: Callable[[], Terminal]) -> None:
        """Do the work of the attempt that has the place. `work` never raises."""
        self._inbox.put(work)

    def _live(self) -> None:
        while True:
            terminal = self._inbox.get()()
            run = self.run
            self.release()
            if run:  # for the type checker
                run.finish(terminal)
