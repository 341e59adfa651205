"""`reelzero up`: the service kept running, used by others, from zero and back."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from eventing.cli.terminal.servers.machine import predictors_of, template_of
from eventing.contract.storage.s3 import S3Location
from eventing.standalone.processes.process import free_port
from tests.acceptance.command import Command, reelzero
from tests.support.waiting import eventually, processes_naming

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


def call(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        reply: dict[str, Any] = json.load(answer)
        return reply


def cancel(url: str) -> None:
    urllib.request.urlopen(urllib.request.Request(url, method="DELETE")).close()


def log_of(data: str) -> str:
    return Path(data, "logs", "reelzero.log").read_text()


def videos(home: Path) -> int:
    return len(list((home / "out").glob("*.mp4")))


async def test_a_running_service_is_used_goes_to_zero_and_finishes_its_job(home: Path) -> None:
    data, before = f"{home}/data", videos(home)
    started = ("up", "--port", "0", "--data-dir", data, "--model", "tiny", "--idle-seconds", "0.1", "--open")
    warm = {"REELZERO_WARM_TEMPLATE": "true"}
    with reelzero(*started, BROWSER="echo opened %s", **warm) as up:
        url = up.until("^ready ").split()[1]
        assert [up.until("  page ").split()[1], up.until("  API ").split()[1]] == [f"{url}/", f"{url}/docs"]
        up.until("  log ")
        assert up.until("^opened ").split()[1] == f"{url}/"
        assert call(f"{url}/readyz")["status"] == "ok"
        with reelzero("run", "a red dot", "--data-dir", data, "--out", f"{home}/out") as run:
            assert run.end() == 0, run.text
        assert f"{url} (runs already)" in run.text
        assert "its signature is valid" in run.text
        assert videos(home) == before + 1
        await eventually(lambda: not predictors_of(up.process.pid))
        template = template_of(up.process.pid)
        assert template and template.memory_bytes > 100e6, "it stays, and has made the imports"
        with reelzero("up", "--data-dir", data) as second:
            assert second.end() == 1
        assert f"and serves {url}: stop it, or choose another --data-dir" in second.text

        job = call(f"{url}/v1/jobs", {"prompt": "a red dot"})
        await eventually(lambda: [each.model for each in predictors_of(up.process.pid)] == ["tiny"])
        lines = call(f"{url}{job['links']['log']}")["data"]
        assert ("service", "claimed", 1) in [
            (line["source"], line["message"], line["attempt"]) for line in lines
        ]
        up.interrupt(signal.SIGTERM)
        up.until("stopping when 1 job finished")
        assert up.end() == 0, up.text
    with sqlite3.connect(f"{data}/reelzero.db") as connection:
        assert connection.execute("select status from jobs where id = ?", [job["id"]]).fetchone() == (
            "completed",
        )
    assert "without the warm template" not in log_of(data)
    await eventually(lambda: not processes_naming(str(home)))


@asynccontextmanager
async def signalled(home: Path) -> AsyncIterator[tuple[Command, str, Any]]:
    """A service with a running job after one stop signal. Yield it, its URL and the job."""
    with reelzero("up", "--port", "0", "--data-dir", f"{home}/data", "--model", "tiny") as up:
        url = up.until("^ready ").split()[1]
        up.until("  log ")
        job = call(f"{url}/v1/jobs", {"prompt": "a red dot"})
        await eventually(lambda: call(f"{url}/v1/jobs/{job['id']}")["status"] == "in_progress")
        up.interrupt()
        up.until("stopping when 1 job finished")
        yield up, url, job


async def test_a_second_signal_stops_it_now_and_keeps_the_job(home: Path) -> None:
    async with signalled(home) as (up, _, job):
        up.interrupt()
        assert up.end() == 0, up.text
    with sqlite3.connect(f"{home}/data/reelzero.db") as connection:
        assert connection.execute("select status from jobs where id = ?", [job["id"]]).fetchone() == (
            "queued",
        )
        connection.execute(
            "update jobs set status = 'cancelled' where id = ?", [job["id"]]
        )  # for the next test
    await eventually(lambda: not processes_naming(str(home)))


async def test_after_a_second_signal_it_still_stores_how_its_jobs_ended(home: Path) -> None:
    async with signalled(home) as (up, url, job):
        cancel(f"{url}/v1/jobs/{job['id']}")
        up.interrupt()
        assert up.end() == 0, up.text
    with sqlite3.connect(f"{home}/data/reelzero.db") as connection:
        stored = connection.execute(
            "select event_type, status from outbox where job_id = ? and destination = 's3'",
            [job["id"]],
        ).fetchall()
    assert stored == [("dev.reelzero.video.cancelled.v1", "delivered")]


def test_a_public_address_needs_a_key(tmp_path: Path) -> None:
    public = ("up", "--host", "0.0.0.0", "--port", "0", "--data-dir", str(tmp_path))
    with reelzero(*public) as up:
        assert up.end() == 1
    assert "there is no API key yet: make one with `reelzero keys create NAME" in up.text
    with reelzero("keys", "create", "ann", "--data-dir", str(tmp_path)) as create:
        assert create.end() == 0
    key = create.text.strip()
    with reelzero(*public) as up:
        url = up.until("ready ").split()[1]
        with pytest.raises(urllib.error.HTTPError, match="401"):
            call(f"{url}/v1/jobs")
        request = urllib.request.Request(f"{url}/v1/jobs", headers={"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
        up.interrupt()
        assert up.end() == 0


def test_the_doctor_finds_the_data_folder_awake_and_asleep(home: Path) -> None:
    data = ("--data-dir", f"{home}/data")
    with reelzero("up", "--port", "0", *data, "--model", "tiny") as up:
        up.until("^ready ")
        with reelzero("doctor", *data) as doctor:
            assert doctor.end() == 0, doctor.text
        up.interrupt()
        assert up.end() == 0
    assert "conditional writes" in doctor.text and "FAIL" not in doctor.text
    with reelzero("doctor", *data) as doctor:
        assert doctor.end() == 0, doctor.text
    assert "its S3 server runs while `reelzero up` does" in doctor.text


def test_any_s3_server_instead(tmp_path: Path, s3: S3Location) -> None:
    theirs = {
        "REELZERO_S3_ENDPOINT": str(s3.endpoint), "REELZERO_S3_BUCKET": "theirs",
        **{name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")},
    }  # fmt: skip
    with reelzero("up", "--port", "0", "--data-dir", str(tmp_path), **theirs) as up:
        assert f"{s3.endpoint} (bucket theirs)" in up.until("  S3 ")
        up.until("  log ")
        assert not (tmp_path / "s3").exists()
        up.interrupt()
        assert up.end() == 0


def test_an_s3_server_that_is_not_there(tmp_path: Path) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    with reelzero("up", "--port", "0", "--data-dir", str(tmp_path), REELZERO_S3_ENDPOINT=away) as up:
        assert up.end() == 1
    assert f"the bucket reelzero at {away} cannot be used" in up.text
    assert "Traceback" not in up.text


def test_a_taken_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with reelzero("up", "--port", str(port), "--data-dir", str(tmp_path)) as up:
            assert up.end() == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in up.text
    assert not processes_naming(str(tmp_path))
