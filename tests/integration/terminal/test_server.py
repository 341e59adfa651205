"""Look at a server: ps, status, events, logs, open, models; and log in to one."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from typer.testing import CliRunner

from eventing.cli import app
from eventing.domain.job import owned_id
from eventing.testing import Script
from tests.integration.api.deployment import Deployment
from tests.integration.terminal.conftest import Reelzero
from tests.support.ports import free_port


@pytest.fixture
def ended(reelzero: Reelzero) -> str:
    """The id of a completed job."""
    job_id = reelzero("submit", "a red dot", "-q").stdout.strip()
    assert reelzero("wait", job_id).exit_code == 0
    return job_id


def test_what_runs_is_shown_with_its_queue_and_slots(reelzero: Reelzero, running: Deployment) -> None:
    held = asyncio.Event()
    running.predictor.scripts.append(Script(gate=held))
    job_id = reelzero("submit", "a red dot", "-q").stdout.strip()
    update = next(
        line for line in iter(lambda: reelzero("ps", "--json").stdout, "") if '"in_progress"' in line
    )
    assert [job["id"] for job in json.loads(update)] == [job_id]
    assert reelzero("ps", "-q").stdout.split() == [job_id]
    status = json.loads(reelzero("status", "--json").stdout)
    assert (status["server"], status["ready"]) == (running.url, True)
    assert status["slots"]["tiny/default"] == {"free": 0, "taken": 1}
    assert [(lane["model"], lane["in_progress"]) for lane in status["lanes"]] == [("tiny", 1)]
    text = reelzero("status").stdout
    assert running.url in text and "1 of 1 taken" in text and "tiny\tdefault\t0\t1" in text
    assert reelzero("cancel", job_id).exit_code == 0
    assert reelzero("wait", job_id).exit_code == 3
    assert reelzero("ps").stdout == "no job waits or runs\n"


def test_events_of_a_job_are_listed_and_followed(reelzero: Reelzero, ended: str) -> None:
    sent = json.loads(reelzero("events", ended, "--json").stdout)
    assert {message["destination"] for message in sent} >= {"sink"}
    heads, *rows = reelzero("events", ended).stdout.splitlines()
    assert heads.split("\t")[:3] == ["id", "event", "to"] and len(rows) == len(sent)
    followed = [
        json.loads(line) for line in reelzero("events", ended, "--follow", "--json").stdout.splitlines()
    ]
    assert followed[-1]["job"]["status"] == "completed"
    assert reelzero("events", ended, "-f").stdout.endswith("completed\n")


def test_the_log_of_a_job_is_put_together_in_order_of_time(
    reelzero: Reelzero, ended: str, tmp_path: Path
) -> None:
    away = reelzero("logs", ended)
    assert away.exit_code == 2 and "reelzero up" in away.stderr
    logs = tmp_path / ".reelzero" / "logs"
    logs.mkdir(parents=True)
    line = {"level": "info", "logger": "x", "job_id": ended, "time": "2026-11-26T09:00:01.000+00:00"}
    texts = [json.dumps({**line, "message": "ended", "code": "ok"}), "no json"]
    texts.append(json.dumps({**line, "message": "other", "job_id": "vid_other"}))
    (logs / "reelzero.log").write_text("\n".join(texts))
    (logs / "predictor-1.log").write_text(
        json.dumps({**line, "time": "2026-11-26T09:00:00.500+00:00", "message": "job taken"}) + "\n"
    )
    assert reelzero("logs", ended).stdout.splitlines() == [
        "09:00:00.500 x: job taken", "09:00:01.000 x: ended  code=ok",
    ]  # fmt: skip


def test_the_log_of_a_job_with_a_chosen_id_has_the_lines_of_its_row(
    reelzero: Reelzero, running: Deployment, tmp_path: Path
) -> None:
    body = json.dumps({"prompt": "a dot"}).encode()
    request = urllib.request.Request(f"{running.url}/v1/jobs/my-own", body, method="PUT")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 202
    logs = tmp_path / ".reelzero" / "logs"
    logs.mkdir(parents=True)
    row = owned_id("local", "my-own")
    line = {"job_id": row, "time": "2026-11-26T09:00:01.000+00:00", "logger": "x", "message": "claimed"}
    (logs / "reelzero.log").write_text(json.dumps(line) + "\n")
    assert reelzero("logs", "my-own").stdout == "09:00:01.000 x: claimed\n"
    assert reelzero("wait", "my-own").exit_code == 0


def test_open_prints_an_address_that_needs_no_key(
    reelzero: Reelzero, ended: str, running: Deployment
) -> None:
    (link,) = reelzero("open", ended).stdout.split()
    (path,) = reelzero("download", ended, "-q", "--out", "a.mp4").stdout.split()
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == Path(path).read_bytes()
    assert reelzero("open", "--page").stdout == f"{running.url}/\n"


def test_models_of_the_server_and_of_this_machine(reelzero: Reelzero) -> None:
    assert reelzero("models", "list", "-q").stdout == "tiny\n"
    assert "64x64" in reelzero("models", "list").stdout
    shown = reelzero("models", "show", "tiny").stdout
    assert "licence" in shown and "steps, guidance" in shown
    absent = reelzero("models", "show", "x")
    assert absent.exit_code == 1 and "reelzero models list" in absent.stderr

    verdicts = json.loads(reelzero("models", "check", "--json").stdout)["models"]
    by_name = {verdict["model"]: verdict for verdict in verdicts}
    assert by_name["shapes-tiny"]["can_run"] and by_name["shapes-tiny"]["weights"] == "in the package"
    assert any("reelzero models pull ltx-2.3" in reason for reason in by_name["ltx-2.3"]["reasons"])
    assert reelzero("models", "check", "ltx-2.3").exit_code == 1
    assert reelzero("models", "check", "x").exit_code == 2


def test_weights_are_pulled_where_they_can_be(reelzero: Reelzero, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reelzero("models", "pull", "shapes-tiny").stdout == "shapes-tiny: its weights need no download\n"
    monkeypatch.setattr("eventing.cli.model_files.find_spec", lambda name: None)
    missing = reelzero("models", "pull", "cogvideox-2b")
    assert missing.exit_code == 1 and "pip install 'reelzero[predictor]'" in missing.stderr
    monkeypatch.undo()
    monkeypatch.setattr("eventing.cli.model_files._free_disk", lambda: 1.0)
    full = reelzero("models", "pull", "cogvideox-2b")
    assert full.exit_code == 1 and "set HF_HUB_CACHE to a folder on a larger one" in full.stderr


def test_a_server_and_its_key_are_stored_for_the_owner_alone(
    running: Deployment, clean: None, tmp_path: Path
) -> None:
    def call(*arguments: str, text: str = "") -> str:
        result = CliRunner().invoke(app, list(arguments), input=text)
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "reelzero list --profile here" in call(
        "login", "--server", running.url, "--profile", "here", text="k\n"
    )
    file = tmp_path / "config" / "reelzero" / "profiles.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == {"here": {"server": running.url, "api_key": "k"}}
    assert call("models", "list", "-q", "--profile", "here") == "tiny\n"
    call("login", "--server", running.url.removeprefix("http://"))
    assert call("models", "list", "-q") == "tiny\n"  # the default one
    away = CliRunner().invoke(
        app, ["login", "--server", f"127.0.0.1:{free_port()}", "--profile", "x"], input=""
    )
    assert away.exit_code == 4 and "x" not in json.loads(file.read_text())
    wrong = CliRunner().invoke(app, ["login", "--server", "ftp://x"], input="")
    assert wrong.exit_code == 2 and "--server" in wrong.stderr


def test_a_service_of_this_folder_needs_no_address(running: Deployment, clean: None, tmp_path: Path) -> None:
    (tmp_path / ".reelzero").mkdir()
    lock = tmp_path / ".reelzero" / "lock"
    lock.write_text(json.dumps({"pid": os.getpid(), "url": running.url}))
    result = CliRunner().invoke(app, ["status", "--json"])
    assert json.loads(result.stdout)["server"] == running.url


@pytest.fixture
def guarded(loop_of_service: asyncio.AbstractEventLoop) -> Iterator[tuple[str, list[str | None]]]:
    """A server that wants the key `right`: its address, and the keys that came."""
    keys: list[str | None] = []

    async def jobs(request: web.Request) -> web.Response:
        keys.append(request.headers.get("Authorization"))
        if keys[-1] != "Bearer right":
            return web.json_response(
                {"detail": "a valid API key is needed", "code": "unauthorized"}, status=401
            )
        return web.json_response({"object": "list", "data": [], "has_more": False, "next": None})

    async def start() -> tuple[web.AppRunner, str]:
        app = web.Application()
        app.router.add_get("/v1/jobs", jobs)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"

    runner, address = asyncio.run_coroutine_threadsafe(start(), loop_of_service).result()
    yield address, keys
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop_of_service).result()


def test_a_key_is_asked_for_and_goes_to_its_own_server_only(
    guarded: tuple[str, list[str | None]], clean: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, keys = guarded
    wrong = CliRunner().invoke(app, ["login", "--server", address], input="wrong")
    assert wrong.exit_code == 5 and "a valid API key is needed" in wrong.stderr
    assert CliRunner().invoke(app, ["login", "--server", address], input="right").exit_code == 0
    assert CliRunner().invoke(app, ["list"]).exit_code == 0
    other = CliRunner().invoke(app, ["list", "--server", address])
    assert other.exit_code == 5 and "set REELZERO_API_KEY" in other.stderr and keys[-1] is None
    monkeypatch.setenv("REELZERO_API_KEY", "right")
    assert CliRunner().invoke(app, ["list", "--server", address]).exit_code == 0
