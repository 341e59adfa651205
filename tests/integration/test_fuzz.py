"""Schemathesis against the served OpenAPI document: valid and invalid requests, and never a 500."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import MakeStack

SEEDS = {"sqlite": "20261122", "postgresql": "20261123"}  # half of the requests for each database
SECONDS = os.environ.get("REELZERO_TEST_FUZZ_SECONDS", "10")  # the short form; minutes find more
LIMIT = 300  # seconds; only a hang of the fuzzer itself reaches it


async def test_the_api_holds_what_its_document_says(
    make_stack: MakeStack, tmp_path: Path, database_url: str
) -> None:
    pytest.importorskip("schemathesis", reason="install reelzero[dev]")
    async with make_stack(rate_per_minute=1_000_000, queue_quota=1_000_000) as stack:
        command: list[str | Path] = [
            Path(sys.executable).with_name("schemathesis"),
            "run",
            f"{stack.service.url}/openapi.json",
        ]
        command += ["--seed", SEEDS[database_url.partition("+")[0]], "--max-examples", "4", "--no-shrink"]
        command += ["--max-time", SECONDS, "--mode", "all", "--request-timeout", "10"]
        # A job's id in the path is made up, so most answers are 404: that is a documented answer here.
        command += ["--checks", "not_a_server_error,content_type_conformance,response_schema_conformance"]
        # Nothing here waits for a job's end: no progress stream, and an inference only asks for its place.
        command += ["--exclude-path-regex", "^/v1/jobs/.*/events$", "--header", "Prefer: respond-async"]
        command += ["--warnings", "off", "--continue-on-failure"]
        code, printed = await asyncio.to_thread(_output, command, tmp_path)
    assert code == 0, printed[-8000:]


def _output(command: list[str | Path], folder: Path) -> tuple[int, str]:
    """Run the fuzzer; its exit code and its output. One that hangs is ended, and prints where it stood."""
    environment = {**os.environ, "PYTHONFAULTHANDLER": "1"}
    options: dict[str, Any] = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "text": True,
        "env": environment,
    }
    with subprocess.Popen(command, cwd=folder, **options) as process:
        try:
            printed, _ = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            printed, _ = process.communicate()
        return process.returncode, printed
