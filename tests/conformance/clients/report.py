"""What client scripts share: one JSON line per call, and a receiver for webhooks. Standard library only."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import queue
import threading
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

URL = os.environ["URL"]
PREDICTOR_URL = os.environ["PREDICTOR_URL"]
PREDICTOR_GRPC = os.environ["PREDICTOR_GRPC"]
SECRET = os.environ["SECRET"]
OLD_SECRET = os.environ["OLD_SECRET"]
PROMPT = "a red circle moving right"
SECONDS = 120


def call(name: str) -> Callable[[Callable[[], object]], Callable[[], object]]:
    """Decorator: run the function now; what it returns is the note, an exception a red row."""

    def run(function: Callable[[], object]) -> Callable[[], object]:
        try:
            note: object = function()
            ok = True
        except Exception as error:
            traceback.print_exc()
            note, ok = f"{type(error).__name__}: {error}", False
        print(json.dumps({"call": name, "ok": ok, "note": str(note or "")[:300]}), flush=True)
        return function

    return run


def refused(kind: Any, function: Callable[[], object], *parts: str) -> Any:
    """The exception a call must raise, whose text must have these parts."""
    try:
        function()
    except kind as error:
        missing = [part for part in parts if part not in str(error)]
        assert not missing, f"{error} does not say {missing}"
        return error
    raise AssertionError("it was not refused")


@contextlib.contextmanager
def receiver() -> Iterator[tuple[str, queue.Queue[tuple[dict[str, str], bytes]]]]:
    """(URL, queue of (headers, body)) of a webhook receiver on loopback."""
    got: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.put(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", got
    finally:
        server.shutdown()


def http_json(
    method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, base: str = URL
) -> tuple[int, Any, Any]:
    """(status, headers, decoded body) of a plain call."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, headers or {}, method=method)
    if data is not None and "content-type" not in {name.lower() for name in headers or {}}:
        request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        raw = answer.read()
        return answer.status, answer.headers, json.loads(raw) if raw else None


def ended(job_id: str) -> dict[str, Any]:
    """The job, once its event stream has ended."""
    with urllib.request.urlopen(f"{URL}/v1/jobs/{job_id}/events", timeout=SECONDS) as answer:
        last = answer.read().decode().strip().splitlines()[-1]
    job: dict[str, Any] = json.loads(last.removeprefix("data: "))
    return job


def is_mp4(body: bytes) -> bool:
    """Whether bytes are an MP4 file."""
    return body[4:8] == b"ftyp"
