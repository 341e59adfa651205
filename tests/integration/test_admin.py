"""The operator's tools, as commands on a real database."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from eventing.cli import app
from eventing.contract.records.models import Failure
from eventing.standalone.data.data_dir import DataDir
from eventing.store.database.engine import Database
from eventing.store.outbox import Try
from eventing.store.schema import migrate
from tests.support.builders import POOL, claim, stores, submission


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder with a failed job and a dead delivery."""

    async def fill() -> None:
        database = Database(DataDir(tmp_path).database_url)
        await migrate(database)
        store = stores(database)
        await store.claims.prepare((POOL,))
        await store.jobs.submit(submission(id="job-1"))
        await store.jobs.submit(submission(id="vid_01m8aaag32m2e6ypn1y90qfann"))
        job = await claim(store)
        await store.claims.fail(job, Failure(code="out_of_memory", message="too large"))
        for row in await store.outbox.claim(10):
            await store.outbox.record(row, Try(False, 0.1, 410, "the receiver answered 410", final=True))
        await database.close()

    asyncio.run(fill())
    return tmp_path


def reelzero(*arguments: str, data_dir: Path) -> Result:
    """The command in this process: an interpreter for each call would take most of the time."""
    return CliRunner().invoke(app, [*arguments, "--data-dir", str(data_dir)])


def test_a_failed_job_gets_its_second_chance_once(data_dir: Path) -> None:
    listed = reelzero("jobs", "list", "--status", "failed", data_dir=data_dir).stdout
    assert "job-1" in listed and "out_of_memory" in listed
    assert reelzero("jobs", "requeue", "job-1", data_dir=data_dir).stdout == "job job-1 is queued\n"
    again = reelzero("jobs", "requeue", "job-1", data_dir=data_dir)
    assert again.exit_code == 1 and "only a failed or cancelled job" in again.stderr
    assert reelzero("jobs", "cancel", "job-1", data_dir=data_dir).stdout == "job job-1 is cancelled\n"


def in_a_terminal(*arguments: str) -> str:
    """What the command writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "eventing", *arguments]
    environment = os.environ | {"COLUMNS": "80", "TERM": "xterm"}
    with subprocess.Popen(command, stdout=theirs, stdin=theirs, env=environment) as process:
        os.close(theirs)
        process.wait()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        return terminal.read(1 << 16).decode()


def test_a_terminal_of_80_columns_shows_whole_ids_and_prompts(data_dir: Path) -> None:
    shown = in_a_terminal("jobs", "list", "--data-dir", str(data_dir))
    assert "vid_01m8aaag32m2e6ypn1y90qfann" in shown, shown
    assert "out_of_memory" in shown and "0 %" in shown and "queued" in shown, shown
    assert "a red" in shown, shown


def test_only_the_error_of_the_present_state_is_shown(data_dir: Path) -> None:
    reelzero("jobs", "requeue", "job-1", data_dir=data_dir)
    listed = reelzero("jobs", "list", data_dir=data_dir).stdout.splitlines()
    row = dict(zip(listed[0].split("\t"), listed[2].split("\t"), strict=True))
    assert (row["status"], row["done"], row["error"]) == ("queued", "0 %", ""), row
    assert row["prompt"] == "a red circle moving right"


def test_the_version_is_said() -> None:
    from eventing import __version__

    assert CliRunner().invoke(app, ["--version"]).stdout == f"reelzero {__version__}\n"


def test_dead_deliveries_are_shown_and_sent_again(data_dir: Path) -> None:
    listed = reelzero("deliveries", "list", "--status", "dead", data_dir=data_dir).stdout
    assert listed.count("the receiver answered 410") == 2
    assert reelzero("deliveries", "replay", "--dead", data_dir=data_dir).stdout == "2 will be sent again\n"
    assert "job-1" in reelzero("deliveries", "list", "--status", "pending", data_dir=data_dir).stdout
    assert "no delivery msg_x" in reelzero("deliveries", "replay", "msg_x", data_dir=data_dir).stderr
    assert reelzero("deliveries", "replay", data_dir=data_dir).exit_code == 1


def test_a_key_is_shown_once(data_dir: Path) -> None:
    key = reelzero("keys", "create", "ann", data_dir=data_dir).stdout.strip()
    listed = reelzero("keys", "list", data_dir=data_dir).stdout
    key_id = key.split("_")[1]
    assert key.startswith("rz_") and key_id in listed and "ann" in listed and key not in listed
    assert "revoked" in reelzero("keys", "revoke", key_id, data_dir=data_dir).stdout
    assert "no live key" in reelzero("keys", "revoke", key_id, data_dir=data_dir).stderr


def test_a_wrong_folder_is_explained_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "eventing", "jobs", "list", "--data-dir", str(tmp_path / "nowhere")]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 1 and answer.stderr.startswith("reelzero: there is no database at")
    assert answer.stderr.count("\n") == 1
