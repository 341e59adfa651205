"""A TCP proxy in front of S3 that misbehaves on request: it refuses, answers 503, is slow, or cuts data."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

CHUNK = 1 << 16
SORRY = b"<Error><Code>ServiceUnavailable</Code><Message>try again later</Message></Error>"
UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(SORRY), SORRY)
)
MODES = ("pass", "refuse", "503", "slow", "truncate-answers", "truncate-requests")


class Proxy:
    """Listens on a free loopback port for `target`. Setting `mode` also cuts open connections."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self._mode = "pass"
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.hit = asyncio.Event()  # set once a connection met the fault
        self.url = ""

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def set(self, mode: str) -> None:
        assert mode in MODES
        self._mode = mode
        self.hit.clear()
        self._cut()

    def _cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self._open.add(writer)
        try:
            await self._serve(reader, writer, self._mode)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self._open.discard(writer)
            writer.transport.abort() if self._mode == "refuse" else writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mode: str) -> None:
        if mode != "pass":
            self.hit.set()
        if mode == "refuse":
            return
        if mode == "503":
            await reader.readuntil(b"\r\n\r\n")
            writer.write(UNAVAILABLE)
            await writer.drain()
            return
        up_reader, up_writer = await asyncio.open_connection(*self._target)
        self._open.add(up_writer)
        out = asyncio.create_task(self._pump(reader, up_writer, mode, "truncate-requests"))
        try:
            await self._pump(up_reader, writer, mode, "truncate-answers")
        finally:
            out.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await out
            self._open.discard(up_writer)
            up_writer.close()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, mode: str, cutting: str
    ) -> None:
        while data := await source.read(CHUNK):
            if mode == "slow":
                await asyncio.sleep(0.4)
            if mode == cutting:
                sink.write(data[: len(data) * 2 // 3])
                await sink.drain()
                return
            sink.write(data)
            await sink.drain()
