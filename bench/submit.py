"""How long a caller waits for its 202: `python -m bench.submit`.

The product is a `reelzero serve` process on SQLite (synchronous=FULL: the job is on disk before the answer).
The peer is the least that stores a job durably: FastAPI with one INSERT and the same fsync. One connection
submits to both in turns, one request at a time. Target: a p99 of at most 1.3 times the peer's.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.harness.process import ROOT, free_port
from bench.harness.records import Record, Size, at_most, main

BODY = json.dumps({"prompt": "a red circle moving right", "model": "tiny"})
PEER = """
import sqlite3, sys, uuid
import uvicorn
from fastapi import FastAPI, Request
db = sqlite3.connect(sys.argv[1], check_same_thread=False, isolation_level=None)
db.execute("PRAGMA journal_mode=WAL"); db.execute("PRAGMA synchronous=FULL")
db.execute("CREATE TABLE jobs (id TEXT PRIMARY KEY, body TEXT)")
app = FastAPI()
@app.get("/healthz")
def live(): return {}
@app.post("/v1/jobs", status_code=202)
async def submit(request: Request):
    job = str(uuid.uuid4())
    db.execute("INSERT INTO jobs VALUES (?, ?)", (job, (await request.body()).decode()))
    return {"id": job}
uvicorn.run(app, port=int(sys.argv[2]), log_level="error")
"""


def service(folder: Path, port: int) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "REELZERO_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/jobs.db",
        "REELZERO_PORT": str(port),
        "REELZERO_AUTH": "open",
        "REELZERO_RATE_PER_MINUTE": "1000000",
        "REELZERO_QUEUE_QUOTA": "1000000",
        # No predictor listens there: the bench measures submissions while the dispatcher waits.
        "REELZERO_ENDPOINTS": json.dumps([{"model": "tiny", "url": f"http://127.0.0.1:{free_port()}"}]),
        "REELZERO_RETRY_SECONDS": "3600",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
    }
    subprocess.run([sys.executable, "-m", "eventing", "migrate"], cwd=ROOT, env=environment, check=True)
    return subprocess.Popen(
        [sys.executable, "-m", "eventing", "serve"], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
    )


def wait(port: int) -> http.client.HTTPConnection:
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.05)
        else:
            return connection


def submit(connection: http.client.HTTPConnection) -> float:
    begin = time.perf_counter()
    connection.request("POST", "/v1/jobs", BODY, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 202, answer.status
    return (time.perf_counter() - begin) * 1000


def cases(size: Size) -> list[Record]:
    """Submit to both in turns."""
    count = size.of(full=400, quick=100, smallest=3)
    with tempfile.TemporaryDirectory() as name:
        folder, ports = Path(name), (free_port(), free_port())
        peer = subprocess.Popen([sys.executable, "-c", PEER, str(folder / "peer.db"), str(ports[1])])
        ours = service(folder, ports[0])
        try:
            sides = [wait(port) for port in ports]
            times: list[list[float]] = [[], []]
            for _ in range(count):
                for side, connection in enumerate(sides):
                    times[side].append(submit(connection))
        finally:
            for process in (ours, peer):
                process.kill()
                process.wait()
    cuts = [statistics.quantiles(values, n=100) for values in times]
    versus = "FastAPI + insert"
    return [
        Record("202, p50, SQLite", "ms", cuts[0][49], cuts[1][49], versus),
        Record("202, p99, SQLite", "ms", cuts[0][98], cuts[1][98], versus, at_most(1.3)),
    ]


if __name__ == "__main__":
    main(cases)
