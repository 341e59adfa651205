"""A client that openapi-python-client generates from /openapi.json: made, imported and used."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conformance.clients.report import PROMPT, URL, call, ended, http_json

FOLDER = Path(tempfile.mkdtemp(prefix="reelzero-openapi-"))


@call("generate a client, without a warning")
def _() -> object:
    description = http_json("GET", "/openapi.json")[2]
    (FOLDER / "openapi.json").write_text(json.dumps(description))
    (FOLDER / "config.yaml").write_text("package_name_override: generated\npost_hooks: []\n")
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "openapi_python_client",
        "generate",
        "--path",
        FOLDER / "openapi.json",
    ]
    command += ["--config", FOLDER / "config.yaml", "--meta", "none", "--output-path", FOLDER / "generated"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "arning" not in done.stdout, done.stdout + done.stderr
    return f"{len(list((FOLDER / 'generated').rglob('*.py')))} modules"


@call("submit a job with it and read it back")
def _() -> object:
    sys.path.insert(0, str(FOLDER))
    client = importlib.import_module("generated").Client(base_url=URL)
    models = importlib.import_module("generated.models")
    jobs = Path(FOLDER, "generated", "api", "jobs")
    submit = importlib.import_module(f"generated.api.jobs.{next(jobs.glob('submit*.py')).stem}")
    read = importlib.import_module(f"generated.api.jobs.{next(jobs.glob('read*.py')).stem}")
    job = submit.sync(client=client, body=models.JobRequest(prompt=PROMPT))
    ended(job.id)
    again = read.sync(job.id, client=client)
    assert (again.id, str(again.status), again.result.job_id) == (job.id, "completed", job.id), again
    return str(again.status)
