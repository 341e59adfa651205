"""Read the gauges of the database for a scrape: one read at a time, shared by all who wait for it.

Only a scrape causes a read. If the database does not answer within PATIENCE seconds, the last known
levels are served, so that a scrape never fails with the database.
"""

from __future__ import annotations

import asyncio
import logging

from eventing.contract.errors import ReelzeroError
from eventing.store.levels import Levels, LevelStore

PATIENCE = 3.0  # Prometheus gives up after 10 s by default
log = logging.getLogger(__name__)


class LevelReader:
    """The levels of one replica's database."""

    def __init__(self, store: LevelStore) -> None:
        self._store = store
        self._last: Levels | None = None
        self._reading: asyncio.Task[Levels] | None = None

    async def read(self) -> tuple[Levels | None, bool]:
        """Return the levels, and whether they are of now; the last known ones, if any, while it is away."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._store.read(), name="levels")
        reading = self._reading
        await asyncio.wait({reading}, timeout=PATIENCE)
        if not reading.done():
            return self._last, False
        try:
            self._last = reading.result()
        except ReelzeroError as error:
            log.info("the gauges of the database cannot be read: %s", error)
            return self._last, False
        return self._last, True
