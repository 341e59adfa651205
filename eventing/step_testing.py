"""A fake runner of steps that ships with the product, for tests of what is around it.

`FakeRunner` sends the runner's stream and stores small outputs by the signed addresses of the order. What it
makes follows from type, version, parameters and inputs only, so equal steps have equal outputs.
`tests/integration/test_runner_contract.py` runs the real runner through the same cases.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from aiohttp import web

from eventing.contract.records.models import Failure

Record = dict[str, Any]
RUNNING: Record = {"type": "progress", "progress": {"stage": "generate", "step": 50, "total_steps": 100}}


@dataclass
class FakeRunner:
    """An HTTP server on a loopback port. It runs any number of steps of any type at once.

    `failures` are used up one per attempt, by type. A step of a type in `gates` waits in its middle until the
    event is set. `orders` are those of all attempts, `aborted` the jobs whose caller has left.
    """

    failures: dict[str, list[Failure]] = field(default_factory=dict)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    orders: list[Record] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    began: asyncio.Queue[str] = field(default_factory=asyncio.Queue)  # types of the attempts, as they begin
    url: str = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/v2/models/{type}/generate_stream", self._run)
        app.router.add_get("/v2/models/{type}/ready", self._ready)
        # Like the real one: a closed connection ends the work.
        self._server = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        self._http = aiohttp.ClientSession()
        await self._server.setup()
        await web.TCPSite(self._server, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._server.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.cleanup()
        await self._http.close()

    @property
    def types(self) -> list[str]:
        """Return the types of all attempts so far, in their order."""
        return [order["identity"]["step"] for order in self.orders]

    async def _ready(self, _: web.Request) -> web.Response:
        return web.json_response({"ready": True})

    async def _run(self, request: web.Request) -> web.StreamResponse:
        order: Record = (await request.json())["parameters"]["step"]
        self.orders.append(order)
        self.began.put_nowait(request.match_info["type"])
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        try:
            await answer.prepare(request)
            async for record in self._records(request.match_info["type"], order):
                await answer.write(f"data: {json.dumps(record)}\n\n".encode())
        except (asyncio.CancelledError, ConnectionError):
            self.aborted.append(order["identity"]["job_id"])
            raise
        return answer

    async def _records(self, kind: str, order: Record) -> AsyncIterator[Record]:
        yield {"type": "progress", "progress": {"stage": "download"}}
        inputs = {name: await self._digests(sources) for name, sources in order["inputs"].items()}
        yield RUNNING
        if gate := self.gates.get(kind):
            await gate.wait()
        if self.failures.get(kind):
            yield {"type": "failed", "error": self.failures[kind].pop(0).model_dump(mode="json")}
            return
        yield {"type": "progress", "progress": {"stage": "upload"}}
        outputs = {
            name: await self._store(target, content_of(order, name, inputs))
            for name, target in order["outputs"].items()
        }
        seconds = {"fetch": 0.0, "run": 0.5, "upload": 0.0}
        yield {"type": "completed", "step": await self._finish(order, outputs, seconds)}

    async def _digests(self, sources: Any) -> list[str]:
        """Fetch the files of an input, and return the SHA-256 of each."""
        digests = []
        for source in [sources] if isinstance(sources, dict) else sources:
            async with self._http.get(source["url"]) as answer:
                answer.raise_for_status()
                digests.append(hashlib.sha256(await answer.read()).hexdigest())
        return digests

    async def _store(self, target: Record, content: bytes) -> Record:
        async with self._http.put(target["url"], data=content, headers=target["headers"]) as answer:
            answer.raise_for_status()
        digest = hashlib.sha256(content).hexdigest()
        file = {"uri": target["uri"], "content_type": target["content_type"]}
        return {**file, "sha256": digest, "bytes": len(content)}

    async def _finish(self, order: Record, outputs: Record, seconds: Record) -> Record:
        """Write the manifest, once; return the result of the run that was first."""
        result = {**order["identity"], "outputs": outputs, "seconds": seconds}
        target = order["manifest"]
        body = json.dumps(result).encode()
        async with self._http.put(target["url"], data=body, headers=target["headers"]) as answer:
            if answer.status != 412:
                answer.raise_for_status()
                return result
        async with self._http.get(target["read_url"]) as answer:
            earlier: Record = await answer.json(content_type=None)
            return earlier


def content_of(order: Record, output: str, inputs: Mapping[str, list[str]]) -> bytes:
    """Return what the fake makes of an order: JSON that names what it was made of."""
    identity = order["identity"]
    facts = {"step": identity["step"], "version": identity["version"], "output": output}
    return json.dumps({**facts, "parameters": order["parameters"], "inputs": inputs}, sort_keys=True).encode()
