"""What the relay has claimed it delivers, also when it is told to stop meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eventing.relay import Relay
from eventing.store.outbox import Row, Try
from eventing.store.uninterrupted import uninterrupted
from eventing.wake import Wake

ROW = Row(
    id="m1", event_id="e1", event_type="t", job_id="j1", owner="o", destination="s3", target=None, body="{}",
    tries=0, status="pending", last_error=None, created_at=0, next_at=0, delivered_at=None,
)  # fmt: skip


@uninterrupted
class Store:
    """Hands out one message, whose claim takes as long as a test wants."""

    def __init__(self) -> None:
        self.rows, self.claiming, self.go = [ROW], asyncio.Event(), asyncio.Event()
        self.recorded: list[Row] = []

    async def claim(self, _limit: int) -> list[Row]:
        self.claiming.set()
        await self.go.wait()
        rows, self.rows = self.rows, []
        return rows

    async def record(self, row: Row, _outcome: Try) -> None:
        self.recorded.append(row)


class Sender:
    """Delivers everything."""

    async def send(self, _row: Row) -> Try:
        return Try(ok=True, seconds=0)


async def test_a_claim_that_ends_while_the_relay_is_stopped_is_delivered() -> None:
    store: Any = Store()
    sender: Any = Sender()
    relay = Relay(store, sender, Wake(), 60)
    running = asyncio.create_task(relay.run())
    await store.claiming.wait()
    running.cancel()
    store.go.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    await relay.drain()
    assert store.recorded == [ROW]
