"""Processes for the benchmarks: a predictor with tiny weights and without S3, and calls to it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
START_LIMIT = 120


def build_tiny(folder: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "predictor.models.tiny", folder], cwd=ROOT, check=True, capture_output=True
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def call(port: int, path: str, body: Any = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    payload = None if body is None else json.dumps(body)
    connection.request("GET" if body is None else "POST", path, payload, {"content-type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    return response.status, answer


@contextmanager
def predictor(weights: Path) -> Iterator[tuple[int, float]]:
    """Start a predictor; yield its port and the seconds from start to ready."""
    port = free_port()
    settings = {"REELZERO_MODEL_DIR": str(weights), "REELZERO_PREDICTOR_HOST": "127.0.0.1"}
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "predictor", f"--http_port={port}", "--enable_grpc=false"],
        cwd=ROOT,
        env=os.environ | settings | {"REELZERO_TORCH_THREADS": "1"},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_ready(port, process)
        yield port, time.perf_counter() - begin
    finally:
        process.kill()
        process.wait()


def wait_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.perf_counter() + START_LIMIT
    while time.perf_counter() < end and process.poll() is None:
        try:
            if call(port, "/v2/models/tiny/ready")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError("the predictor did not become ready")


def machine() -> str:
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "unknown CPU",
    )
    return f"{os.cpu_count()} cores, {model}, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}"
