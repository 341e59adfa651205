"""How long a caller waits for its 202: `python -m bench.submit`.

The product is a `reelzero serve` process, on SQLite (synchronous=FULL) and on PostgreSQL (fsync on): the job
is on disk before the answer. The peer is the least that stores a job durably: FastAPI with one INSERT into
the same kind of database, by asyncpg on PostgreSQL (bench/peers/insert_peer.py). One connection submits to
both in turns, one request at a time. Target: a p99 of at most 1.3 times the peer's, on both databases.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from bench.harness.process import ROOT, free_port
from bench.harness.records import Record, Size, at_most, main
from tests.faults.databases import PostgresServer

BODY = json.dumps({"prompt": "a red circle moving right", "model": "tiny"})


def service(url: str, port: int) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "REELZERO_DATABASE_URL": url,
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


def wait(port: int, process: subprocess.Popen[bytes]) -> http.client.HTTPConnection:
    """Return a connection to a side that has begun to answer."""
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"a side ended with status {process.returncode} before it answered")
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


def compare(name: str, ours_url: str, peer_database: str, count: int) -> list[Record]:
    """Submit to both sides in turns, on one kind of database."""
    ports = (free_port(), free_port())
    command = [sys.executable, "-m", "bench.peers.insert_peer", peer_database, str(ports[1])]
    peer = subprocess.Popen(command, cwd=ROOT)
    ours = service(ours_url, ports[0])
    try:
        sides = [wait(*one) for one in zip(ports, (ours, peer), strict=True)]
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
        Record(f"202, p50, {name}", "ms", cuts[0][49], cuts[1][49], versus),
        Record(f"202, p99, {name}", "ms", cuts[0][98], cuts[1][98], versus, at_most(1.3)),
    ]


async def run(count: int) -> list[Record]:
    """Compare on a file, then on a server."""
    with tempfile.TemporaryDirectory() as folder:
        files = (f"sqlite+aiosqlite:///{folder}/jobs.db", f"{folder}/peer.db")
        records = await asyncio.to_thread(compare, "SQLite", *files, count)
    async with PostgresServer(fsync=True) as server:
        urls = ((await server.fresh()).url, (await server.fresh()).url.replace("+asyncpg", ""))
        return records + await asyncio.to_thread(compare, "PostgreSQL", *urls, count)


def cases(size: Size) -> list[Record]:
    """Submit to both in turns, on both databases."""
    return asyncio.run(run(size.of(full=400, quick=100, smallest=3)))


if __name__ == "__main__":
    main(cases)
