"""The relay delivers what it has claimed, also if it is stopped meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from eventing.contract.errors import ReelzeroError, Unavailable
from eventing.delivery.relay import Relay
from eventing.domain.destinations import S3Object, Webhook
from eventing.domain.room import Room, line_of
from eventing.signal import Signal
from eventing.store.database.shielded import shielded_methods
from eventing.store.outbox import OutboxMessage, Outcome, Try

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

    async def claim(self, _limit: int, _room: Room) -> list[OutboxMessage]:
        self.claiming.set()
        await self.go.wait()
        rows, self.rows = self.rows, []
        return rows

    async def record_all(self, outcomes: Sequence[Outcome]) -> set[str]:
        rows = [row for row, _ in outcomes]
        self.recorded += rows
        return {row.id for row in rows} if self.deleted else set()


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


class Webhooks:
    """An outbox with messages of many owners; the receivers of some never answer."""

    def __init__(self, owners: list[str]) -> None:
        self.rows = [
            replace(ROW, id=f"m{number}", owner=owner, destination=Webhook("https://x"))
            for number, owner in enumerate(owners)
        ]
        self.batches: list[list[str]] = []
        self.sent: list[str] = []
        self.hanging: list[str] = []
        self.over = asyncio.Event()

    async def claim(self, limit: int, room: Room) -> list[OutboxMessage]:
        chosen = [row for row in self.rows if room.take(line_of("webhook", row.owner))][:limit]
        self.rows = [row for row in self.rows if row not in chosen]
        return chosen

    async def record_all(self, outcomes: Sequence[Outcome]) -> set[str]:
        self.batches.append([row.owner for row, _ in outcomes])
        return set()

    async def send(self, row: OutboxMessage) -> Try:
        if row.owner.startswith("hangs"):
            self.hanging.append(row.owner)
            await asyncio.Event().wait()
        self.sent.append(row.owner)
        if not any(row.owner == "well" for row in self.rows):
            self.over.set()
        return Try(ok=True, seconds=0)


async def test_owners_whose_receivers_hang_leave_places_to_the_others() -> None:
    outbox: Any = Webhooks(["hangs 1"] * 100 + ["hangs 2"] * 100 + ["well"] * 50)
    running = asyncio.create_task(Relay(outbox, outbox, Signal(), 60).run())
    await outbox.over.wait()
    running.cancel()
    assert outbox.hanging.count("hangs 1") == 16
    assert outbox.hanging.count("hangs 2") == 8
    assert outbox.sent.count("well") == 50


async def test_outcomes_of_one_moment_are_recorded_together() -> None:
    outbox: Any = Webhooks([f"well {number}" for number in range(30)])
    await Relay(outbox, outbox, Signal(), 60).drain()
    assert sorted(owner for batch in outbox.batches for owner in batch) == sorted(
        f"well {number}" for number in range(30)
    )
    assert len(outbox.batches) == 1


async def test_a_failed_record_reaches_every_delivery_of_it(caplog: pytest.LogCaptureFixture) -> None:
    outbox: Any = Webhooks(["a", "b"])

    async def away(_: Sequence[Outcome]) -> set[str]:
        raise Unavailable("away", retry_after=1)

    outbox.record_all = away
    await Relay(outbox, outbox, Signal(), 60).drain()
    assert caplog.text.count("will be repeated") == 2


async def test_an_outcome_that_cannot_be_written_keeps_no_other_from_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outbox: Any = Webhooks(["a", "broken", "b"])
    written: list[str] = []

    async def record_all(outcomes: Sequence[Outcome]) -> set[str]:
        owners = [row.owner for row, _ in outcomes]
        if "broken" in owners:
            raise ReelzeroError("the database refused a statement")
        written.extend(owners)
        return set()

    outbox.record_all = record_all
    await Relay(outbox, outbox, Signal(), 60).drain()
    assert written == ["a", "b"]
    assert caplog.text.count("will be repeated") == 1


async def test_a_deadlock_costs_no_outcome() -> None:
    outbox: Any = Webhooks(["a", "b"])
    batches: list[list[str]] = []

    async def record_all(outcomes: Sequence[Outcome]) -> set[str]:
        batches.append([row.owner for row, _ in outcomes])
        if len(batches) == 1:
            raise Unavailable("the database does not serve now (its code is 40P01)", retry_after=1)
        return set()

    outbox.record_all = record_all
    await Relay(outbox, outbox, Signal(), 60).drain()
    assert batches == [["a", "b"], ["a"], ["b"]]


async def test_a_drain_that_is_cut_cuts_its_deliveries() -> None:
    outbox: Any = Webhooks(["slow"])
    begun, cut = asyncio.Event(), asyncio.Event()

    async def send(_: OutboxMessage) -> Try:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cut.set()
        raise AssertionError

    outbox.send = send
    draining = asyncio.create_task(Relay(outbox, outbox, Signal(), 60).drain())
    await begun.wait()
    draining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await draining
    assert cut.is_set()
    assert outbox.batches == []


async def test_an_outcome_is_written_although_the_drain_is_cut_meanwhile() -> None:
    outbox: Any = Webhooks(["a"])
    writing, go = asyncio.Event(), asyncio.Event()
    written: list[str] = []

    async def record_all(outcomes: Sequence[Outcome]) -> set[str]:
        writing.set()
        await go.wait()
        written.extend(row.owner for row, _ in outcomes)
        return set()

    outbox.record_all = record_all
    draining = asyncio.create_task(Relay(outbox, outbox, Signal(), 60).drain())
    await writing.wait()
    draining.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await draining
    assert written == ["a"]
