"""The real queue-proxy in front of a local process, where QUEUE_PROXY_BIN names the binary.

It takes 8022 (drain) and 9090 (metrics) besides the port it serves on, so only one can run at a time: the
others wait for their turn. No registry has the binary; it is built from knative/serving, cmd/queue.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
from typing import Self

import aiohttp

ADMIN = "http://127.0.0.1:8022"
TURN = "\0reelzero-queue-proxy"  # a socket without a file: the process bound to it owns the ports


class RealQueueProxy:
    """The same face as QueueProxy, for the parts that both have."""

    def __init__(
        self,
        target: str,
        ready_path: str,
        *,
        timeout: float = 60,
        start_timeout: float | None = None,
        concurrency: int = 1,
    ) -> None:
        port = target.rpartition(":")[2]
        probe = {"path": ready_path, "port": int(port), "host": "127.0.0.1", "scheme": "HTTP"}
        self.url = "http://127.0.0.1:8012"
        self._command = [os.environ["QUEUE_PROXY_BIN"]]
        self._env = os.environ | {
            "CONTAINER_CONCURRENCY": str(concurrency),
            "QUEUE_SERVING_PORT": "8012",
            "QUEUE_SERVING_TLS_PORT": "8112",
            "USER_PORT": port,
            "REVISION_TIMEOUT_SECONDS": str(round(timeout)),
            "REVISION_RESPONSE_START_TIMEOUT_SECONDS": str(round(start_timeout or timeout)),
            "SERVING_LOGGING_CONFIG": "",
            "SERVING_LOGGING_LEVEL": "error",
            "SERVING_NAMESPACE": "test",
            "SERVING_CONFIGURATION": "test",
            "SERVING_REVISION": "test-00001",
            "SERVING_POD": "test",
            "SERVING_POD_IP": "127.0.0.1",
            "SYSTEM_NAMESPACE": "knative-serving",
            "SERVING_READINESS_PROBE": json.dumps({"httpGet": probe, "successThreshold": 1}),
        }

    async def __aenter__(self) -> Self:
        self._turn = await _turn()
        self._process = await asyncio.to_thread(subprocess.Popen, self._command, env=self._env)
        self._session = aiohttp.ClientSession()
        while not await self.ready():  # the activator would hold requests until then
            await asyncio.sleep(0.05)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        await self._session.close()
        self._turn.close()

    async def ready(self) -> bool:
        """What queue-proxy answers to the activator's header probe."""
        try:
            async with self._session.get(self.url, headers={"K-Network-Probe": "queue"}) as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def wait_for_drain(self) -> None:
        """The preStop hook itself: 30 s."""
        async with self._session.get(f"{ADMIN}/wait-for-drain") as answer:
            await answer.read()

    async def terminate(self) -> None:
        """SIGTERM; returns when it has ended."""
        self._process.terminate()
        await asyncio.to_thread(self._process.wait)


async def _turn() -> socket.socket:
    """Wait until no other test of this machine runs a queue-proxy."""
    turn = socket.socket(socket.AF_UNIX)
    while True:
        try:
            turn.bind(TURN)
            return turn
        except OSError:
            await asyncio.sleep(0.1)
