"""Count how the seconds of a process's devices are used: loading, busy or idle. Their sum is what is paid."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum


class Use(StrEnum):
    """What a device does."""

    loading = "loading"
    busy = "busy"
    idle = "idle"


class DeviceTime:
    """The device-seconds of one process, from `begin` in monotonic seconds. Any thread may call it."""

    def __init__(self, devices: int, begin: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.devices = devices
        self._clock = clock
        self._since = begin
        self._use = Use.loading
        self._seconds = dict.fromkeys(Use, 0.0)
        self._lock = threading.Lock()

    def become(self, use: Use) -> None:
        """Count from now on for another use."""
        with self._lock:
            self._settle()
            self._use = use

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Count the time inside as busy, and idle after it."""
        self.become(Use.busy)
        try:
            yield
        finally:
            self.become(Use.idle)

    def seconds(self) -> dict[Use, float]:
        """Return the device-seconds of each use until now."""
        with self._lock:
            self._settle()
            return dict(self._seconds)

    def _settle(self) -> None:
        now = self._clock()
        self._seconds[self._use] += (now - self._since) * self.devices
        self._since = now
