"""HTTPie on the command line: submit, read, follow, download."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.conformance.clients.report import PROMPT, URL, call, is_mp4

made: dict[str, str] = {}


def http(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """What HTTPie prints of the body; its exit status tells a refusal (--check-status)."""
    command = [sys.executable, "-m", "httpie", "--ignore-stdin", "--check-status", *arguments]
    return subprocess.run(command, capture_output=True, check=False)


@call("POST /v1/jobs with fields on the command line")
def _() -> object:
    done = http(
        "--body", "POST", f"{URL}/v1/jobs", f"prompt={PROMPT}", "seed:=7", 'metadata:={"via": "httpie"}'
    )
    job = json.loads(done.stdout)
    assert (done.returncode, job["metadata"]) == (0, {"via": "httpie"}), done
    made["id"] = job["id"]
    return job["status"]


@call("--stream of the events, up to the end")
def _() -> object:
    done = http("--stream", "--body", "GET", f"{URL}/v1/jobs/{made['id']}/events")
    assert b"completed" in done.stdout, done.stdout[-300:]
    return f"{done.stdout.count(b'data:')} events"


@call("--download --follow of the result")
def _() -> object:
    done = http(
        "--download", "--follow", "--output", "video.mp4", "GET", f"{URL}/v1/jobs/{made['id']}/result"
    )
    assert done.returncode == 0 and is_mp4(Path("video.mp4").read_bytes()), done.stderr[-300:]
    return "MP4"


@call("a wrong field is a 422 that names it")
def _() -> object:
    done = http("--body", "POST", f"{URL}/v1/jobs", f"prompt={PROMPT}", "frames:=9")
    assert done.returncode == 4 and b"frames" in done.stdout, done
    return "422, frames"
