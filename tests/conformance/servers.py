"""What the clients call: `reelzero up` as its own process, and a predictor beside it for direct calls."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.conformance.environments import ROOT
from tests.support.ports import free_port

START_SECONDS = 180.0
SECRET = "whsec_" + base64.b64encode(b"n" * 32).decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"o" * 32).decode()


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[dict[str, str]]:
    """Start both; the environment variables that tell clients where they are."""
    with _up(folder) as url, _predictor(folder) as (http, grpc):
        yield {
            "URL": url,
            "REELZERO": url,  # as the pages in docs/clients call it
            "KEY": "none-needed-here",
            "PREDICTOR_URL": f"http://127.0.0.1:{http}",
            "PREDICTOR_GRPC": f"127.0.0.1:{grpc}",
            "SECRET": SECRET,
            "OLD_SECRET": OLD_SECRET,
            "DOCS": str(ROOT / "docs"),
            "REELZERO_PYTHON": sys.executable,  # for clients that start `reelzero mcp`
        }


@contextlib.contextmanager
def _up(folder: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "eventing", "up", "--port", "0", "--model", "tiny"]
    environment = _clean() | {
        "REELZERO_WEBHOOK_SECRETS": f"{SECRET},{OLD_SECRET}",
        "REELZERO_MODEL_ALIASES": "sora-2=tiny",
    }
    log = folder / "up.log"
    with _process([*command, "--data-dir", str(folder / "data")], environment, log) as process:
        yield _until(process, log, lambda: _ready_line(log))


@contextlib.contextmanager
def _predictor(folder: Path) -> Iterator[tuple[int, int]]:
    """A predictor on the same S3, with tiny weights of its own."""
    data, weights = folder / "data", folder / "tiny"
    subprocess.run(
        [sys.executable, "-m", "predictor.models.tiny", weights], check=True, cwd=ROOT, capture_output=True
    )
    keys = json.loads((data / "s3" / "identity.json").read_text())["identities"][0]["credentials"][0]
    ports = json.loads((data / "s3" / "ports.json").read_text())
    http, grpc = free_port(), free_port()
    environment = _clean() | {
        "AWS_ACCESS_KEY_ID": keys["accessKey"],
        "AWS_SECRET_ACCESS_KEY": keys["secretKey"],
        "REELZERO_S3_ENDPOINT": f"http://127.0.0.1:{ports['s3']}",
        "REELZERO_MODEL_DIR": str(weights),
        "REELZERO_PREDICTOR_HOST": "127.0.0.1",
        "REELZERO_TORCH_THREADS": "1",
    }
    command = [sys.executable, "-m", "predictor", f"--http_port={http}", f"--grpc_port={grpc}"]
    log = folder / "predictor.log"
    with _process(command, environment, log) as process:
        _until(process, log, lambda: _answers(f"http://127.0.0.1:{http}/v2/models/tiny/ready"))
        yield http, grpc


@contextlib.contextmanager
def _process(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until(process: subprocess.Popen[bytes], log: Path, check: Callable[[], str]) -> str:
    """What the check answers once it answers anything."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if found := check():
            return found
        time.sleep(0.1)
    raise SystemExit(f"it did not start; its log:\n{log.read_text()[-3000:]}")


def _ready_line(log: Path) -> str:
    lines = [line for line in log.read_text().splitlines() if line.startswith("ready ")]
    return lines[0].removeprefix("ready ").strip() if lines else ""


def _answers(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return "yes" if answer.status == 200 else ""
    except OSError:
        return ""


def _clean() -> dict[str, str]:
    """Our environment without settings, which the caller's shell may hold."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("REELZERO_", "AWS_"))}
    return kept | {"PYTHONPATH": str(ROOT)}
