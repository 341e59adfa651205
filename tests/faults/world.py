"""The world of one round: real processes, shared S3 and database servers, and the callers.

It touches the product only from outside: HTTP, signals, S3 and the predictor's journal.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from eventing.contract.records.events import REQUESTED
from eventing.contract.storage.s3 import Bucket
from eventing.store.database.engine import Database
from eventing.store.schema import migrate
from tests.faults.databases import Postgresql, Sqlite
from tests.faults.listener import Listener
from tests.faults.processes import Child
from tests.faults.proxy import Proxy
from tests.faults.shared import Shared
from tests.support.disks import Disk
from tests.support.ports import free_port
from tests.support.waiting import eventually

SECRET = "whsec_" + base64.b64encode(b"1" * 32).decode()
LIMIT = 300.0  # seconds; only a hang gets there
POLL = 0.05
JobView = dict[str, Any]


@dataclass
class Wanted:
    """One submission and the states it may end in."""

    job_id: str
    hook: str | None
    ends: set[str] = field(default_factory=lambda: {"completed"})


@dataclass
class Replica:
    """One eventing process. Its port stays the same after a restart."""

    port: int
    child: Child
    env: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class World:
    """The processes, servers and callers of one scenario."""

    def __init__(self, shared: Shared, rng: random.Random, folder: Path, real: bool) -> None:
        self.shared, self.rng, self.folder, self.real = shared, rng, folder, real
        self.replicas: list[Replica] = []
        self.predictor: Child | None = None
        self.workers: dict[str, Child] = {}  # of stories
        self.predictor_port = free_port()
        self.jobs: list[Wanted] = []
        self.repeats = 0  # how many generations may run a second time
        self.journal = folder / "journal"
        self.settings: dict[str, str] = {}
        self.disk: Disk | None = None
        self._stack = ExitStack()
        self._holds = 0
        self.hold_file = folder / "hold"

    async def __aenter__(self) -> World:
        self.listener = await Listener().__aenter__()
        self.s3 = await Proxy(self.shared.s3.endpoint or "").__aenter__()
        self.http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        self.bucket = Bucket(self.shared.s3)
        return self

    async def __aexit__(self, *_: object) -> None:
        for child in [self.predictor, *self.workers.values(), *(each.child for each in self.replicas)]:
            if child:
                await child.kill()
        await self.http.close()
        await self.s3.__aexit__()
        await self.listener.__aexit__()
        self._stack.close()

    def mount(self, size: int) -> Disk:
        """Make a small disk. Eventing processes that start later use it."""
        self.disk = self._stack.enter_context(Disk(self.folder / "disk", size))
        return self.disk

    async def make_database(self, kind: str) -> None:
        self.database: Sqlite | Postgresql
        if kind == "postgresql":
            self.database = await (await self.shared.postgres()).fresh()
        else:
            self.database = Sqlite(self.folder)
        database = Database(self.database.url)
        await migrate(database)
        await database.close()

    # -- eventing ------------------------------------------------------------------------------

    async def serve(self, replicas: int = 1, **env: str) -> None:
        """Start eventing processes; `env` is for the first of them."""
        for number in range(replicas):
            port = free_port()
            replica = Replica(port, None, self._serve_env(port) | (env if number == 0 else {}))  # type: ignore[arg-type]
            self.replicas.append(replica)
            await self.start(replica)

    async def start(self, replica: Replica) -> None:
        """Start or restart one eventing process, and wait until it is ready."""
        log = self.folder / f"eventing-{self.replicas.index(replica)}.log"
        inside, main = self.disk.pid if self.disk else None, "tests.faults.serving:main"
        replica.child = await self.shared.light.start(main, log, replica.env, inside=inside)
        await self._answers(replica.child, replica.url + "/readyz")

    async def restart(self, replica: Replica) -> None:
        """Replace an ended process with a fresh one that has no planned crash."""
        await replica.child.ended()
        for name in ("REELZERO_CRASH", "REELZERO_CRASH_ARMED", "REELZERO_CLOCK_OFFSET"):
            replica.env.pop(name, None)
        await self.start(replica)

    def _serve_env(self, port: int) -> dict[str, str]:
        endpoint = {"model": "tiny", "url": f"http://127.0.0.1:{self.predictor_port}"}
        values = {
            "port": port, "database_url": self.database.url, "auth": "open", "s3_endpoint": self.s3.url,
            "s3_bucket": self.shared.s3.bucket, "endpoints": json.dumps([endpoint]),
            "sink_url": self.listener.url("/sink"), "webhook_secrets": SECRET,
            "webhook_allow": "127.0.0.0/8", "webhook_timeout_seconds": 1, "poll_seconds": 0.1,
            "lease_seconds": 20,  # long, so that a slow machine does not look like a silent holder
            "retry_seconds": 0.1, "drain_seconds": 30, "max_attempts": 4,
            "heartbeat_timeout_seconds": 20,
        }  # fmt: skip
        named = {f"REELZERO_{name.upper()}": str(value) for name, value in values.items()}
        return self.shared.environment | named | self.settings

    def short_lease(self) -> None:
        """Shorten the lease, for scenarios that wait for its lapse."""
        self.settings["REELZERO_LEASE_SECONDS"] = "5"

    @property
    def lease(self) -> float:
        return float(self.replicas[0].env["REELZERO_LEASE_SECONDS"])

    # -- predictor -----------------------------------------------------------------------------

    async def predict(self, hold: str | None = None, *, wait: bool = True, **env: str) -> Child:
        """Start the predictor. It waits at the stage `hold` until `release`."""
        self._holds += 1
        self.hold_file = self.folder / f"hold-{self._holds}"
        held = {"REELZERO_HOLD_STAGE": hold, "REELZERO_HOLD_FILE": str(self.hold_file)} if hold else {}
        settings = {
            "REELZERO_S3_ENDPOINT": self.s3.url, "REELZERO_S3_BUCKET": self.shared.s3.bucket,
            "REELZERO_FAKE_PORT": str(self.predictor_port), "REELZERO_FAKE_JOURNAL": str(self.journal),
        }  # fmt: skip
        env = self.shared.environment | settings | held | env
        log = self.folder / "predictor.log"
        if self.real:
            self.predictor = await self.shared.start_real(self.predictor_port, log, env, self.journal)
        else:
            self.predictor = await self.shared.light.start("tests.faults.predictor:main", log, env)
        if wait and not (self.real and hold == "load"):
            await self._answers(self.predictor, self.predictor_url + "/v2/models/tiny/ready")
        return self.predictor

    @property
    def predictor_url(self) -> str:
        return f"http://127.0.0.1:{self.predictor_port}"

    async def held(self) -> None:
        """Wait until the predictor has reached the stage at which it is held."""
        reached = self.hold_file.with_name(self.hold_file.name + ".reached")
        await eventually(reached.exists)

    def release(self) -> None:
        self.hold_file.touch()

    async def end_predictor(self, number: signal.Signals) -> int:
        """Signal the predictor, wait for its end, and note the time in the journal."""
        assert self.predictor
        self.predictor.signal(number)
        if number is signal.SIGTERM:
            self.release()
        status = await self.predictor.ended()
        entry = {"what": "killed", "pid": self.predictor.pid, "at": time.time()}
        with self.journal.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        return status

    # -- callers -------------------------------------------------------------------------------

    async def submit(self, count: int, copies: int = 1, hooks: float = 0.7, **fields: Any) -> list[Wanted]:
        """Send events as a broker does: to any replica, `copies` at a time, until each is accepted.

        `hooks` is the share of jobs with a webhook. The webhook of job n goes to `/hook/n`.
        """
        sending: list[Coroutine[Any, Any, Wanted]] = []
        for _ in range(count):
            number = len(self.jobs) + len(sending)
            hook = f"/hook/{number}" if self.rng.random() < hooks else None
            sending.append(self._submit_one(number, hook, copies, fields))
        wanted = await asyncio.gather(*sending)
        self.jobs += wanted
        return list(wanted)

    async def _submit_one(self, number: int, hook: str | None, copies: int, fields: dict[str, Any]) -> Wanted:
        body = {"prompt": f"round {number}", "seed": number, "quality": "low", **fields}
        if hook:
            body["callback_url"] = self.listener.url(hook)
        headers = {
            "ce-specversion": "1.0",
            "ce-id": f"e{number}",
            "ce-source": "/faults",
            "ce-type": REQUESTED,
        }
        locations = await asyncio.gather(*(self._deliver(body, headers) for _ in range(copies)))
        assert len(set(locations)) == 1, f"{copies} copies of one event became jobs {set(locations)}"
        return Wanted(locations[0].rpartition("/")[2], hook)

    async def _deliver(self, body: dict[str, Any], headers: dict[str, str]) -> str:
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            replica = self.rng.choice(self.replicas)
            try:
                async with self.http.post(replica.url + "/events", json=body, headers=headers) as answer:
                    if answer.status == 202:
                        return answer.headers["Location"]
                    assert answer.status >= 500, await answer.text()
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            await asyncio.sleep(POLL)  # a broker's back-off
        raise AssertionError("an event was never accepted")

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call any replica that answers; return its JSON."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            for replica in self.replicas:
                try:
                    async with self.http.request(method, replica.url + path, json=body) as answer:
                        if answer.status < 500:
                            return await answer.json()
                except (aiohttp.ClientError, OSError, TimeoutError):
                    continue
            await asyncio.sleep(POLL)
        raise AssertionError(f"{method} {path} was never answered")

    async def view(self, job: Wanted) -> JobView:
        return dict(await self.call("GET", f"/v1/jobs/{job.job_id}"))

    async def running(self) -> list[Wanted]:
        """Return the jobs in progress."""
        return [job for job in self.jobs if (await self.view(job))["status"] == "in_progress"]

    async def cancel(self, job: Wanted) -> None:
        await self.call("DELETE", f"/v1/jobs/{job.job_id}")

    async def until(self, what: str, check: Callable[[], Awaitable[bool]], limit: float = LIMIT) -> None:
        """Wait for an outcome. The outcome is asserted, not the time: only a hang reaches `limit`."""
        end = time.monotonic() + limit
        while not await check():
            assert time.monotonic() < end, f"never came: {what}"
            await asyncio.sleep(POLL)

    async def until_status(self, job: Wanted, status: str) -> None:
        async def there() -> bool:
            return bool((await self.view(job))["status"] == status)

        await self.until(f"{job.job_id} {status}", there)

    async def _answers(self, child: Child, url: str) -> None:
        async def there() -> bool:
            assert child.alive, f"it ended while starting; see {child.log}"
            try:
                async with self.http.get(url) as answer:
                    return answer.status == 200
            except (aiohttp.ClientError, OSError):
                return False

        await self.until(f"an answer from {url}", there)

    def keep(self, target: Path) -> None:
        """Copy logs and journal of a broken round to a folder."""
        shutil.copytree(self.folder, target, dirs_exist_ok=True)
