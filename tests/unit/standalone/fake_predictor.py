"""A predictor of the standard library: it answers the readiness route, and does what FAKE says.

FAKE: ready | loading | failed | crash | silent. FAKE_TAKEN=n: the first n starts find their port taken.
`FILE` in FAKE_GATE: loading until that file exists. A file `lost` beside the log: its device is lost.
FAKE_TAIL: a SIGTERM finds it in an upload, which ends when the file `uploaded` is beside the log.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

MODE = os.environ.get("FAKE", "ready")
GATE = os.environ.get("FAKE_GATE")
HOME = Path(os.environ["REELZERO_SCRATCH_DIR"])


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        ready = MODE == "ready" and (GATE is None or Path(GATE).exists()) and not (HOME / "lost").exists()
        cause = "/models/x/model.safetensors is missing" if MODE == "failed" else "loading"
        body = {"ready": ready} if ready else {"error": cause, "code": MODE if MODE != "ready" else "loading"}
        self.send_response(200 if ready else 503)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        pass


def finish_upload(*_: object) -> None:
    (HOME / "stopping").touch()
    while not (HOME / "uploaded").exists():
        time.sleep(0.01)
    (HOME / "result").touch()
    os._exit(0)


def main() -> None:
    if "FAKE_TAIL" in os.environ:
        signal.signal(signal.SIGTERM, finish_upload)
    interesting = ("OMP_", "REELZERO_", "CUDA_", "AWS_")
    shown = {key: value for key, value in os.environ.items() if key.startswith(interesting)}
    print(json.dumps({"pid": os.getpid(), "argv": sys.argv[1:], "env": shown}), flush=True)
    taken = int(os.environ.get("FAKE_TAKEN", "0"))
    tries = HOME / f"try-{time.monotonic_ns()}"
    tries.touch()
    if len(list(HOME.glob("try-*"))) <= taken:
        raise SystemExit("[Errno 98] error while attempting to bind: address already in use")
    if MODE == "crash":
        raise SystemExit("ModuleNotFoundError: No module named 'kserve'")
    port = next(
        int(argument.partition("=")[2]) for argument in sys.argv if argument.startswith("--http_port")
    )
    HTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
