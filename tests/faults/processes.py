"""Processes of a round: a zygote starts them, real signals reach them, and none outlives the round."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.support.waiting import gone

ROOT = Path(__file__).parents[2]


class Child:
    """One process."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid = pid
        self.log = log
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def alive(self) -> bool:
        return not self.status.done() and not gone(self.pid)

    @property
    def stopped(self) -> bool:
        """Whether SIGSTOP has stopped it."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def signal(self, number: signal.Signals) -> None:
        if not self.status.done():
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def ended(self) -> int:
        """Wait for its end; return its exit status, negative for a signal."""
        return await asyncio.shield(self.status)

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        await self.ended()


class Zygote:
    """Forks processes that have imported `modules`. Use as a context manager."""

    def __init__(self, *modules: str) -> None:
        self._modules = modules
        self._children: dict[int, Child] = {}
        self._early: dict[int, int] = {}  # ended before their pid was read
        self._born: asyncio.Queue[int] = asyncio.Queue()
        self._order = asyncio.Lock()

    async def __aenter__(self) -> Zygote:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.faults.zygote", *self._modules, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout
        assert json.loads(await self._process.stdout.readline())["ready"]
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        for child in list(self._children.values()):
            await child.kill()
        assert self._process.stdin
        self._process.stdin.close()
        await self._process.wait()
        await self._reader

    async def start(
        self,
        main: str,
        log: Path,
        env: dict[str, str],
        arguments: tuple[str, ...] = (),
        inside: int | None = None,
    ) -> Child:
        """Fork a process that runs `module:function` and appends its output to `log`.

        `inside` is the pid of a process whose disk it shares.
        """
        order = {"main": main, "log": str(log), "env": env, "arguments": arguments, "inside": inside}
        async with self._order:
            assert self._process.stdin
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            child = Child(await self._born.get(), log)
        self._children[child.pid] = child
        if child.pid in self._early:
            self._end(child.pid, self._early.pop(child.pid))
        return child

    async def _read(self) -> None:
        assert self._process.stdout
        while line := await self._process.stdout.readline():
            answer: dict[str, Any] = json.loads(line)
            if "status" not in answer:
                self._born.put_nowait(answer["pid"])
            elif answer["pid"] in self._children:
                self._end(answer["pid"], answer["status"])
            else:
                self._early[answer["pid"]] = answer["status"]

    def _end(self, pid: int, status: int) -> None:
        self._children.pop(pid).status.set_result(status)
