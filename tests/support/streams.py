"""Thousands of progress streams over plain sockets: an HTTP client would cost more than the server."""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass, field

ENDS = (b"event: completed", b"event: failed", b"event: cancelled")
OPENING = 50  # streams that are opened at the same time


@dataclass
class Streams:
    """Open streams on one port. Use as a context manager."""

    port: int
    opened: int = 0
    ends: list[str] = field(default_factory=list)  # the name of each terminal event
    cut: int = 0  # streams that ended without one

    async def __aenter__(self) -> Streams:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._turns = asyncio.Semaphore(OPENING)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()

    async def open(self, job_ids: list[str]) -> None:
        """Open one stream per id and wait for the first event of each."""
        loop = asyncio.get_running_loop()
        firsts = [loop.create_future() for _ in job_ids]
        self._tasks += [
            asyncio.create_task(self._follow(job_id, first))
            for job_id, first in zip(job_ids, firsts, strict=True)
        ]
        await asyncio.gather(*firsts)

    async def ended(self) -> None:
        """Wait until every stream has ended."""
        await asyncio.gather(*self._tasks)

    async def _follow(self, job_id: str, first: asyncio.Future[None]) -> None:
        try:
            async with self._turns:
                reader, line = await self._begin(job_id)
                self.opened += bool(line)
            first.set_result(None)
            while line and not line.startswith(ENDS):
                line = await reader.readline()
        except OSError as error:
            line = b""
            if not first.done():
                first.set_exception(error)
        if line:
            self.ends.append(line.decode().split()[1])
        else:
            self.cut += 1

    async def _begin(self, job_id: str) -> tuple[asyncio.StreamReader, bytes]:
        """Open a stream; return its reader and the line that names its first event."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        writer.write(f"GET /v1/jobs/{job_id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        while not (line := await reader.readline()).startswith(b"event: ") and line:
            pass
        return reader, line
