"""Deliver the due messages of the outbox, up to IN_FLIGHT at once, each in its own task.

The store decides what is due: `OutboxStore.claim` leases messages, and `OutboxStore.record_all` sets the time
of the next try after a failure (eventing/store/outbox.py). Both take many messages at a time; after a claim
the next one waits some milliseconds for company (recorder.py). Lines share the places (domain/room.py).
"""

from __future__ import annotations

import asyncio
import logging
import time

from eventing.contract.errors import ReelzeroError, StorageError
from eventing.contract.records.events import STORY_TERMINAL, TERMINAL
from eventing.contract.telemetry import job_context
from eventing.delivery.recorder import Pace, Recorder
from eventing.delivery.sender import Sender
from eventing.delivery.tracing import mark, sending
from eventing.domain.destinations import S3Object
from eventing.domain.room import Room, line_of
from eventing.metrics.deliveries import count_try
from eventing.signal import IDLE, Signal
from eventing.store.database.shielded import shielded
from eventing.store.outbox import SCHEDULE, OutboxMessage, OutboxStore, Try

IN_FLIGHT = 32
LAST = frozenset({*TERMINAL.values(), *STORY_TERMINAL.values()})
log = logging.getLogger(__name__)


class Relay:
    """The loop that empties the outbox until it is cancelled.

    A delivery that is cancelled is due again when its lease ends.
    """

    def __init__(self, store: OutboxStore, sender: Sender, due: Signal, poll_seconds: float) -> None:
        self._store = store
        self._sender = sender
        self._due = due
        self._poll = poll_seconds
        self._recorder = Recorder(store)
        self._pace = Pace()
        self._lines: dict[asyncio.Task[None], tuple[str, str]] = {}
        self._may_have_more = False  # messages that are due and found no place

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            try:
                await self._round()
            except ReelzeroError as error:
                log.warning("the outbox cannot be read: %s", error)
                await asyncio.sleep(self._poll)

    async def drain(self) -> None:
        """Deliver all messages that are due now, and wait for those in flight.

        If it is cancelled or fails, it cuts those and waits for their ends.
        """
        try:
            while await self._begin() or self._lines:
                if self._lines:
                    await asyncio.wait(self._lines, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in self._lines:
                task.cancel()
            await asyncio.gather(*self._lines, return_exceptions=True)

    async def _round(self) -> None:
        await self._pace.wait()
        mark = self._due.mark()
        await self._begin()
        await self._due.wait(mark, IDLE)

    # Finish the claim even during shutdown; otherwise its messages stay leased for 120 s.
    @shielded
    async def _begin(self) -> int:
        """Start the delivery of as many messages as have a place; return how many."""
        room = Room(IN_FLIGHT, self._lines.values())
        limit, before = room.free, len(self._lines)
        messages = await self._store.claim(limit, room) if limit else []
        self._may_have_more = len(messages) == limit or bool(room.full)
        if self._may_have_more and len(self._lines) < before:  # a place has become free meanwhile
            self._due.notify()
        for message in messages:
            task = asyncio.create_task(self._deliver(message))
            self._lines[task] = line_of(message.destination.kind, message.owner)
            task.add_done_callback(self._leave)
        return len(messages)

    def _leave(self, task: asyncio.Task[None]) -> None:
        """Give a place back, to a message that waits for one."""
        del self._lines[task]
        if self._may_have_more:
            self._due.notify()

    async def _deliver(self, message: OutboxMessage) -> None:
        with job_context(message.job_id, message.traceparent):
            await self._deliver_once(message)

    async def _deliver_once(self, message: OutboxMessage) -> None:
        with sending(message) as work:
            outcome = await self._sender.send(message)
            mark(work, outcome)
        kind = message.destination.kind
        count_try(kind, _end(message, outcome), outcome.seconds, time.time() - message.created_at)
        extra = {"event_id": message.event_id, "destination": kind}
        if outcome.ok:
            log.info("event delivered", extra=extra)
        else:
            log.warning("event not delivered: %s", outcome.error, extra=extra | {"try": message.tries + 1})
        try:
            exists = await self._recorder.record(message, outcome)
            if outcome.ok and not exists and isinstance(message.destination, S3Object):
                await self._sender.take_back(message.destination)
            if message.event_type not in LAST:
                self._due.notify()  # the job's next message may be waiting for this one
        except StorageError as error:
            log.warning("a file of a deleted job stays in S3: %s", error, extra=extra)
        except ReelzeroError:
            log.warning("a delivery could not be recorded and will be repeated", extra=extra, exc_info=True)


def _end(message: OutboxMessage, outcome: Try) -> str:
    """Return how a try ended, as metrics name it."""
    if outcome.ok:
        return "delivered"
    return "dead" if outcome.final or message.tries >= len(SCHEDULE) else "failed"
