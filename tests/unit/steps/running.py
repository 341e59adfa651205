"""A runner in the process of a test."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from steps.runner import settings
from steps.runner.server import Server
from tests.unit.steps.store import Store


def attempt(address: tuple[str, int], name: str, order: dict[str, Any]) -> list[dict[str, Any]]:
    """The records of an attempt of a runner in another process."""
    connection = http.client.HTTPConnection(*address, timeout=60)
    body = json.dumps({"parameters": {"step": order}})
    connection.request("POST", f"/v2/models/{name}/generate_stream", body)
    answer = connection.getresponse()
    return [json.loads(line[6:]) for line in answer if line.startswith(b"data: ")]


class Runner:
    """A runner in this process, whose steps are lines of shell, or as its setting has them."""

    def __init__(self, folder: Path, store: Store, **lines: Any) -> None:
        self._store = store
        commands = {
            name: ["sh", "-c", line] if isinstance(line, str) else line for name, line in lines.items()
        }
        env = {"REELZERO_STEPS": json.dumps(commands), "REELZERO_RUNNER_HOST": "127.0.0.1", "PORT": "0"}
        env |= {"REELZERO_SCRATCH_DIR": str(folder), "REELZERO_OUTPUT_BYTES": "100000"}
        self.server = Server(settings.read(env))
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def order(self, **changes: Any) -> dict[str, Any]:
        text = self._store.add("in", b"a red circle")
        manifest = self._store.target("manifest", headers={"If-None-Match": "*"})
        manifest["read_url"] = manifest["url"]
        order = {
            "identity": {"job_id": "j", "attempt": 1}, "inputs": {"text": text}, "parameters": {"size": 3},
            "outputs": {"text": self._store.target("out")}, "manifest": manifest,
        } | changes  # fmt: skip
        return {"parameters": {"step": order}}

    def open(self, name: str, order: Any) -> http.client.HTTPResponse:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.server.server_address[1], timeout=60)
        self.connection.request("POST", f"/v2/models/{name}/generate_stream", json.dumps(order))
        return self.connection.getresponse()

    def run(self, name: str, **changes: Any) -> list[dict[str, Any]]:
        """The records of an attempt."""
        answer = self.open(name, self.order(**changes))
        assert answer.status == 200, answer.read()
        return [json.loads(line[6:]) for line in answer if line.startswith(b"data: ")]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


Start = Callable[..., Runner]
