"""The two means that Knative's autoscaler looks at: requests in flight, in buckets of one second."""

from __future__ import annotations


class Concurrency:
    """Requests in flight over time. A bucket is the mean of its second."""

    def __init__(self, window: int, panic_window: int) -> None:
        self._windows = (window, panic_window)
        self._sums = [0.0]  # of all buckets so far
        self._area = 0.0  # request-seconds of the running second
        self._since = 0.0
        self._count = 0
        self._closed: float | None = None  # end of the last bucket

    def change(self, at: float, by: int) -> None:
        """Take note that requests began or ended."""
        self._area += self._count * (at - self._since)
        self._since = at
        self._count += by

    @property
    def now(self) -> int:
        """Return the requests in flight."""
        return self._count

    def close(self, at: float) -> None:
        """End the bucket of the second before `at`."""
        self.change(at, 0)
        if self._closed is None or at - self._closed > self._windows[0]:
            self._sums = [0.0]  # nothing was written for a whole window: it begins with this bucket
        else:
            self._sums += [self._sums[-1]] * round(at - self._closed - 1)
        self._sums.append(self._sums[-1] + self._area)
        self._area, self._closed = 0.0, at

    def means(self) -> tuple[float, float]:
        """Return the means over the stable and the panic window, as far as there are buckets."""
        stable, panic = (self._mean(window) for window in self._windows)
        return stable, panic

    def _mean(self, window: int) -> float:
        buckets = min(window, len(self._sums) - 1)
        return (self._sums[-1] - self._sums[-1 - buckets]) / buckets if buckets else 0.0
