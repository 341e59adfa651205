"""Serve attempts over HTTP: one thread for each, as many at once as there are slots."""

from __future__ import annotations

import contextlib
import hmac
import http.server
import json
import queue
import select
import signal
import socket
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

from steps.runner.attempt import Attempt
from steps.runner.cache import Cache
from steps.runner.failures import Record, failure
from steps.runner.processes import Start, popen
from steps.runner.settings import How, Settings

HEARTBEAT = 10.0  # seconds
LOOK = 0.2  # seconds between two looks whether the caller is there
BODY_BYTES = 4 << 20
PATH = "/v2/models/{}/generate_stream"


class Server(http.server.ThreadingHTTPServer):
    """Holds what all requests share."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, settings: Settings, start: Start = popen) -> None:
        super().__init__((settings.host, settings.port), Handler)
        self.settings, self.start = settings, start
        self.cache = Cache(settings.cache, settings.cache_bytes)
        self.free = threading.Semaphore(settings.slots)
        self.attempts: list[Attempt] = []

    def drain(self) -> None:
        """Take nothing new, wait for what runs, and end."""
        for _ in range(self.settings.slots):
            self.free.acquire()
        self.shutdown()


class Handler(http.server.BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        """Answer probes: /v2/health/live, /v2/health/ready, /v2/models/NAME/ready."""
        known = ["/v2/health/live", "/v2/health/ready"]
        known += [f"/v2/models/{name}/ready" for name in self.server.settings.commands]
        if self.path in known:
            self._answer(200, {"ready": True})
        else:
            self._answer(404, {"error": f"there is no {self.path}", "code": "not_found"})

    def do_POST(self) -> None:
        """Run an attempt and stream its records."""
        ways = {PATH.format(name): how for name, how in self.server.settings.commands.items()}
        order = self._order()
        if order is None:
            return
        if self.path not in ways:
            self._answer(404, {"error": f"there is no {self.path}", "code": "not_found"})
        elif not self.server.free.acquire(blocking=False):
            self._answer(503, {"error": "all slots are taken", "code": "busy"})
        else:
            self._run(ways[self.path], order)

    def log_message(self, format: str, *args: object) -> None:
        """Write no line for each request."""

    def _order(self) -> Record | None:
        """Return the attempt of the body; None if it is answered with an error."""
        length = int(self.headers.get("content-length") or -1)
        if not 0 <= length <= BODY_BYTES:
            self.close_connection = True
            problem = f"the body must have 0 to {BODY_BYTES} bytes"
            self._answer(413, {"error": problem, "code": "body_too_large"})
            return None
        body = self.rfile.read(length)
        token = self.server.settings.token
        sent = self.headers.get("authorization", "")
        if token and not hmac.compare_digest(sent.encode(), f"Bearer {token}".encode()):
            self._answer(401, {"error": "the token is missing or wrong", "code": "unauthorized"})
            return None
        try:
            order: Record = json.loads(body)["parameters"]["step"]
            missing = {"identity", "inputs", "outputs", "parameters", "manifest"} - order.keys()
        except (ValueError, KeyError, TypeError, AttributeError):
            order, missing = {}, {"parameters.step"}
        if missing:
            problem = f"the body needs {', '.join(sorted(missing))}"
            self._answer(400, {"error": problem, "code": "invalid_request"})
            return None
        return order

    def _run(self, how: How, order: Record) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):  # the caller has gone
            self._send(self._outcome(how, order))

    def _outcome(self, how: How, order: Record) -> Record:
        """Work with a slot, and return the terminal record: its reader finds the slot free."""
        try:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            try:
                folder = Path(tempfile.mkdtemp(prefix="step-", dir=self.server.settings.scratch))
            except OSError as error:
                return failure("scratch_full", f"the scratch disk: {error}", retryable=True)
            try:
                return self._attempted(how, order, folder / "run")
            finally:
                folder.rmdir()
        finally:
            self.server.free.release()

    def _attempted(self, how: How, order: Record, folder: Path) -> Record:
        """Stream an attempt, and return its terminal record. Raises OSError once the caller has gone."""
        server = self.server
        limit = server.settings.output_bytes
        attempt = Attempt(server.start, how, order, folder, server.cache, limit)
        worker = threading.Thread(target=attempt.work, daemon=True)
        worker.start()
        try:
            return self._stream(attempt)
        except OSError:
            attempt.stop()
            raise
        finally:
            worker.join()

    def _stream(self, attempt: Attempt) -> Record:
        """Send records until the terminal one, and return that. Raises OSError without a caller."""
        latest: Record = {"stage": "starting"}
        silence = 0.0
        while True:
            try:
                record = attempt.records.get(timeout=LOOK)
            except queue.Empty:
                self._require_caller()
                silence += LOOK
                if silence < HEARTBEAT:
                    continue
                record = {"type": "heartbeat", "progress": latest}
            silence = 0.0
            latest = record.get("progress", latest)
            if record["type"] in ("completed", "failed"):
                return record
            self._send(record)

    def _send(self, record: Record) -> None:
        self.wfile.write(b"data: " + json.dumps(record).encode() + b"\n\n")

    def _require_caller(self) -> None:
        readable, _, _ = select.select([self.connection], [], [], 0)
        if readable and not self.connection.recv(1, socket.MSG_PEEK):
            raise ConnectionError("the caller has gone")

    def _answer(self, status: int, body: Mapping[str, object]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def serve(settings: Settings, start: Start = popen) -> None:
    """Serve until SIGTERM, then finish what runs."""
    server = Server(settings, start)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.drain).start())
    print(f"ready http://{settings.host}:{server.server_address[1]}", flush=True)
    server.serve_forever()
