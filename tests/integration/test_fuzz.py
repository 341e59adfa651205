"""Schemathesis against the served OpenAPI document: valid and invalid requests, and never a 500."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.integration.conftest import MakeStack

SEEDS = {"sqlite": "20261122", "postgresql": "20261123"}  # half of the requests for each database
SECONDS = os.environ.get("REELZERO_TEST_FUZZ_SECONDS", "10")  # the short form; minutes find more


async def test_the_api_holds_what_its_document_says(
    make_stack: MakeStack, tmp_path: Path, database_url: str
) -> None:
    pytest.importorskip("schemathesis", reason="install reelzero[dev]")
    async with make_stack(rate_per_minute=1_000_000, queue_quota=1_000_000) as stack:
        command = [Path(sys.executable).with_name("schemathesis"), "run", f"{stack.service.url}/openapi.json"]
        command += ["--seed", SEEDS[database_url.partition("+")[0]], "--max-examples", "4", "--no-shrink"]
        command += ["--max-time", SECONDS, "--mode", "all", "--request-timeout", "10"]
        # A job's id in the path is made up, so most answers are 404: that is a documented answer here.
        command += ["--checks", "not_a_server_error,content_type_conformance,response_schema_conformance"]
        # Nothing here waits for a job's end: no progress stream, and an inference only asks for its place.
        command += ["--exclude-path-regex", "^/v1/jobs/.*/events$", "--header", "Prefer: respond-async"]
        command += ["--warnings", "off", "--continue-on-failure"]
        options = {"capture_output": True, "text": True, "cwd": tmp_path, "timeout": 600}
        run = partial(subprocess.run, command, check=False, **options)
        ran = await asyncio.to_thread(run)
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
