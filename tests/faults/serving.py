"""`reelzero serve` for fault rounds: the product's own main, plus faults that a test can trigger.

REELZERO_CRASH=POINT:WHEN:SIG  SIGKILL or SIGSTOP itself before, inside (before the commit) or after a store
                               call of CRASH_POINTS, once, when REELZERO_CRASH_ARMED names an existing file
REELZERO_CLOCK_OFFSET=SECONDS  shift this replica's wall clock
The outbox schedule and its lease are seconds instead of minutes and hours. The product has none of this.
"""

from __future__ import annotations

import asyncio
import datetime
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import asyncpg
from sqlalchemy import URL, event
from sqlalchemy.ext.asyncio import AsyncEngine

from eventing.cli import app, serve  # noqa: F401 - serve: imported before the fork, else by each replica
from eventing.delivery import sender
from eventing.store import outbox
from eventing.store.claims import ClaimStore
from eventing.store.database import connections, engine
from eventing.store.database.direct import Direct
from eventing.store.jobs import JobStore
from eventing.store.outbox import OutboxStore
from eventing.store.stories import StoryStore

SCHEDULE = (0.2, 0.3, 0.5, 0.5, 0.5, 1, 1, 1, 2, 2, 2, 4, 4, 8, 8, 16)
CRASH_POINTS: dict[str, tuple[type, str]] = {
    "insert": (JobStore, "submit"),
    "claim": (ClaimStore, "claim"),
    "start": (ClaimStore, "start"),
    "finish": (ClaimStore, "end"),
    "story-submit": (StoryStore, "submit"),
    "story-write": (StoryStore, "write"),
    "outbox-claim": (OutboxStore, "claim"),
    "outbox-record": (OutboxStore, "record_all"),
}
armed = False


def main() -> None:
    outbox.SCHEDULE = SCHEDULE
    outbox.LEASE_SECONDS = 3
    if offset := os.environ.pop("REELZERO_CLOCK_OFFSET", ""):
        skew(float(offset))
    if planned := os.environ.pop("REELZERO_CRASH", ""):
        point, when, name = planned.split(":")
        plan_crash(point, when, signal.Signals[name], Path(os.environ.pop("REELZERO_CRASH_ARMED")))
    signal.signal(signal.SIGUSR1, lambda *_: show_tasks())
    app(["serve"])


def show_tasks() -> None:
    """Print what each task waits for. `kill -USR1` calls it in a replica that hangs."""
    for task in asyncio.all_tasks(asyncio.get_event_loop()):
        task.print_stack()


def skew(offset: float) -> None:
    """Shift this process's wall clock. Monotonic time and the database's clock stay right."""
    true_time = time.time
    time.time = lambda: true_time() + offset

    class Skewed(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Self:
            return cls.fromtimestamp(time.time(), tz)

    vars(sender)["datetime"] = Skewed


def plan_crash(point: str, when: str, number: signal.Signals, arm: Path) -> None:
    store, name = CRASH_POINTS[point]
    method = getattr(store, name)

    def crash() -> None:
        global armed  # noqa: PLW0603 -- one crash, one flag
        armed = False
        arm.unlink()
        os.kill(os.getpid(), number)

    async def crashing(*arguments: Any, **named: Any) -> Any:
        global armed  # noqa: PLW0603 -- one crash, one flag
        if not arm.exists():  # noqa: ASYNC240 -- a look costs microseconds
            return await method(*arguments, **named)
        if when == "before":
            crash()
        armed = when == "inside"
        answer = await method(*arguments, **named)
        if when == "after" and (answer or name == "record_all"):  # an empty claim is no transition
            crash()
        return answer

    setattr(store, name, crashing)
    watch_commits(crash)


def watch_commits(crash: Callable[[], None]) -> None:
    """Crash at the first commit after the armed call began: its statements have run, nothing is stored.

    A statement that commits by itself gets a transaction around it, for this moment to exist.
    """
    make, execute, alone = connections.make_engine, asyncpg.Connection.execute, Direct.alone

    @asynccontextmanager
    async def watched_alone(connection: Direct) -> AsyncIterator[None]:
        async with alone(connection):
            if not armed:
                yield
                return
            async with connection.transaction():
                yield

    async def watched_execute(connection: Any, query: str, *arguments: Any, **named: Any) -> Any:
        if armed and query == "COMMIT":
            crash()
        return await execute(connection, query, *arguments, **named)

    def watched(url: URL, size: int) -> AsyncEngine:
        made = make(url, size)
        event.listen(made.sync_engine, "commit", lambda _: crash() if armed else None)
        return made

    vars(engine)["make_engine"] = watched
    # A test's stand-in for a method.
    Direct.alone = watched_alone  # type: ignore[assignment,method-assign]
    asyncpg.Connection.execute = watched_execute
