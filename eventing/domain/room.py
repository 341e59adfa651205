"""Share the deliveries that may be under way at once, so that one receiver that hangs does not hold them all.

Each owner's webhooks are a line of their own, and so are the sink and S3. A line may take a place only while
it holds fewer than are free. So one line alone holds half of them at most, a second one half of the rest, and
a line that has nothing under way finds a place while few others hang. Pure: no clock, no network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from eventing.domain.destinations import Webhook


def line_of(kind: str, owner: str) -> tuple[str, str]:
    """Return the line of a message by the kind of its destination and its owner."""
    return (kind, owner if kind == Webhook.kind else "")


class Room:
    """The places of one relay at one moment. `lines` are those of the deliveries under way."""

    def __init__(self, places: int, lines: Iterable[tuple[str, str]] = ()) -> None:
        self._under_way = Counter(lines)
        self.free = places - self._under_way.total()
        self.full = {line for line, number in self._under_way.items() if number >= self.free}

    @property
    def for_any(self) -> int:
        """Return how many messages have a place whatever their lines are, also if all are of one line."""
        return max(0, (self.free - max(self._under_way.values(), default=0) + 1) // 2)

    def take(self, line: tuple[str, str]) -> bool:
        """Take a place for a line; False if it has its share."""
        if self._under_way[line] >= self.free:
            self.full.add(line)
            return False
        self._under_way[line] += 1
        self.free -= 1
        return True
