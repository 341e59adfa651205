"""A predictor in a process of its own, as a pod would run it, and the calls that tests make to it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from tests.support import forking
from tests.support.ports import free_port

ROOT = Path(__file__).parents[3]
START_LIMIT = 300  # seconds; a first import without bytecode on a busy machine takes half a minute


class Predictor:
    """A running process. `hold` is a (stage, file) at which its device thread waits until the file exists.

    It is forked from a process that has imported everything, or, if `alone`, started by its command.
    """

    def __init__(
        self,
        env: dict[str, str],
        log: Path,
        hold: tuple[str, Path] | None = None,
        grpc_port: int | None = None,
        port: int | None = None,
        alone: bool = False,
    ) -> None:
        self.port, self.grpc_port = port or free_port(), grpc_port or free_port()
        self.log = log
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("REELZERO_", "AWS_"))}
        held = {"REELZERO_HOLD_STAGE": hold[0], "REELZERO_HOLD_FILE": str(hold[1])} if hold else {}
        defaults = {"REELZERO_PREDICTOR_HOST": "127.0.0.1", "REELZERO_TORCH_THREADS": "1"}
        arguments = [f"--http_port={self.port}", f"--grpc_port={self.grpc_port}"]
        with log.open("wb") as out:
            self.process = _started(arguments, clean | defaults | held | env, out, alone)

    def wait(self, path: str = "/v2/models/tiny/ready", status: int = 200) -> None:
        """Until a GET answers with this status; fails with the log if the process ends."""
        end = time.monotonic() + START_LIMIT
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if self.get(path)[0] == status:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"{path} did not answer {status}: {self.log.read_text()}")

    def get(self, path: str) -> tuple[int, Any]:
        return self.call("GET", path)

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        return self.call("POST", f"/v2/models/tiny/{path}", body, headers)

    def call(self, method: str, path: str, body: Any = None, headers: Any = None) -> tuple[int, Any]:
        """Status and decoded JSON (or text) of a call."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        payload = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, payload, {"content-type": "application/json"} | (headers or {}))
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        is_json = response.headers.get_content_type() == "application/json"
        return response.status, json.loads(text) if is_json else text

    def stream(self, **parameters: Any) -> Stream:
        """Open a generate_stream; the prompt is fixed."""
        return Stream(self.port, {"text_input": "a red circle", "parameters": parameters})

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal the process and wait for its end; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(START_LIMIT)


def _started(arguments: list[str], env: dict[str, str], out: IO[bytes], alone: bool) -> forking.Running:
    if not alone and sys.platform == "linux" and (forked := forking.fork(arguments, env, out.fileno())):
        return forked
    command = [sys.executable, "-m", "predictor.testing", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=env, stderr=out, stdout=out)


class Stream:
    """Records of one generation, as they come."""

    def __init__(self, port: int, body: Any) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"content-type": "application/json"}
        self.connection.request("POST", "/v2/models/tiny/generate_stream", json.dumps(body), headers)
        self.response = self.connection.getresponse()

    @property
    def status(self) -> int:
        return self.response.status

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for line in self.response:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])

    def until(self, stage: str) -> dict[str, Any]:
        """Read up to the first record of a stage."""
        for record in self:
            if record.get("progress", {}).get("stage") == stage:
                return record
        raise AssertionError(f"the stream ended before {stage}")

    def last(self) -> dict[str, Any]:
        return list(self)[-1]

    def close(self) -> None:
        """Close the connection in the middle of whatever it carries."""
        sock = self.response.fp.raw._sock  # type: ignore[attr-defined] # http.client hides its socket
        sock.shutdown(socket.SHUT_RDWR)
        self.connection.close()


def reached(file: Path) -> Path:
    """The file that a held predictor touches."""
    return file.with_name(file.name + ".reached")


def wait_for(condition: Any, what: str) -> None:
    """Until a condition holds; it is the outcome that is asserted, not the time."""
    end = time.monotonic() + START_LIMIT
    while not condition():
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.01)
