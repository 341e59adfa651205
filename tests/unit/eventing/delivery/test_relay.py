"""The relay delivers what it has claimed, also if it is stopped meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eventing.delivery.relay import Relay
from eventing.domain.destinations import S3Object
from eventing.signal import Signal
from eventing.store.outbox import OutboxMessage, Try
from eventing.store.shielded import shielded_methods

ROW = OutboxMessage(
    id="m1", event_id="e1", event_type="t", job_id="j1", owner="o",
    destination=S3Object("jobs/j1/event.json"), body="{}",
    tries=0, status="pending", last_error=None, created_at=0, next_at=0, delivered_at=None,
)  # fmt: skip


@shielded_methods
class Store:
    """Hands out one message, whose claim takes as long as a test wants."""

    def __init__(self) -> None:
        self.rows, self.claiming, self.go = [ROW], asyncio.Event(), asyncio.Event()
        self.recorded: list[OutboxMessage] = []
        self.deleted = False

    async def claim(self, _limit: int) -> list[OutboxMessage]:
        self.claiming.set()
        await self.go.wait()
        rows, self.rows = self.rows, []
        return rows

    async def record(self, row: OutboxMessage, _outcome: Try) -> bool:
        self.recorded.append(row)
        return not self.deleted


class Sender:
    """Delivers everything."""

    def __init__(self) -> None:
        self.taken_back: list[S3Object] = []

    async def take_back(self, target: S3Object) -> None:
        self.taken_back.append(target)

    async def send(self, _row: OutboxMessage) -> Try:
        return Try(ok=True, seconds=0)


async def test_a_claim_that_ends_while_the_relay_is_stopped_is_delivered() -> None:
    store: Any = Store()
    sender: Any = Sender()
    relay = Relay(store, sender, Signal(), 60)
    running = asyncio.create_task(relay.run())
    await store.claiming.wait()
    running.cancel()
    store.go.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    await relay.drain()
    assert store.recorded == [ROW]


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_file_that_came_after_its_jobs_deletion_is_taken_back(deleted: bool) -> None:
    store: Any = Store()
    sender: Any = Sender()
    store.deleted = deleted
    store.go.set()
    await Relay(store, sender, Signal(), 60).drain()
    assert sender.taken_back == [ROW.destination] * deleted
