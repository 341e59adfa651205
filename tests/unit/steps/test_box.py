"""The runner of the box: its own steps are forked, others are commands, and nothing outlives it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from steps.media import frames
from tests.support.waiting import eventually, gone, processes_naming
from tests.unit.steps.store import Store

TITLE = {"text": "A circle", "seconds": 0.5, "width": 64, "height": 48, "fps": 8}


class Box:
    """A process of the box: a step of its own, and two lines of shell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        own = [sys.executable, "-m", "steps"]
        files = ["{inputs}", "{outputs}", "{parameters}"]
        commands = {
            "title": [*own, "title", *files],
            "shell": ["sh", "-c", 'eval "$(cat {inputs}/line)"'],
            "absent": ["no-such-program"],
        }
        env = {"REELZERO_STEPS": json.dumps(commands), "REELZERO_RUNNER_HOST": "127.0.0.1", "PORT": "0"}
        env |= {"REELZERO_SCRATCH_DIR": str(folder), "REELZERO_PREDICTOR_TOKEN": "a-token-of-the-runner"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "steps.box"],
            env={**os.environ, **env}, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        assert self.process.stdout
        self.address = self.process.stdout.readline().split("//")[1].strip()

    def open(self, name: str, **order: Any) -> http.client.HTTPResponse:
        body = json.dumps({"parameters": {"step": {"identity": {"job_id": "j"}, **order}}})
        self.connection = http.client.HTTPConnection(self.address, timeout=60)
        headers = {"authorization": "Bearer a-token-of-the-runner"}
        self.connection.request("POST", f"/v2/models/{name}/generate_stream", body, headers)
        return self.connection.getresponse()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    one = Box(tmp_path_factory.mktemp("box"))
    yield one
    one.close()


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as store:
        yield store


def order(store: Store, line: str = "", parameters: Any = None, output: str = "text") -> dict[str, Any]:
    return {
        "inputs": {"line": store.add("line", line.encode())},
        "outputs": {output: store.target("out")},
        "parameters": parameters or {},
        "manifest": store.target("manifest"),
    }


def end(answer: http.client.HTTPResponse) -> dict[str, Any]:
    """The terminal record."""
    *_, last = [json.loads(line[6:]) for line in answer if line.startswith(b"data: ")]
    assert isinstance(last, dict)
    return last


def template_of(pid: int) -> int:
    (template,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(template)


def test_a_step_of_the_box_makes_its_file(box: Box, store: Store, tmp_path: Path) -> None:
    clip = store.target("out", content_type="video/x-matroska")
    work = {"inputs": {}, "outputs": {"clip": clip}, "manifest": store.target("manifest")}
    assert end(box.open("title", **work, parameters=TITLE))["type"] == "completed"
    (tmp_path / "clip").write_bytes(store.files["/out"])
    assert frames.measure(tmp_path / "clip").count == 4


@pytest.mark.parametrize(
    ("name", "line", "parameters", "words"),
    [
        ("title", "", TITLE | {"fps": 0}, "ended with status 1: parameters.fps: Input should be greater"),
        ("shell", "echo it is broken; exit 3", {}, "ended with status 3: it is broken"),
        ("shell", "kill -9 $$", {}, "ended with SIGKILL, and wrote nothing"),
        ("absent", "", {}, "the command no-such-program cannot be started: No such file or directory"),
    ],
)
def test_a_step_that_fails_says_why(
    box: Box, store: Store, name: str, line: str, parameters: Any, words: str
) -> None:
    last = end(box.open(name, **order(store, line, parameters)))
    assert words in last["error"]["message"]


def test_a_command_has_no_token_and_the_usual_signals(box: Box, store: Store) -> None:
    line = "(env; grep SigIgn /proc/self/status) > outputs/text"
    assert end(box.open("shell", **order(store, line)))["type"] == "completed"
    text = store.files["/out"].decode()
    assert "a-token-of-the-runner" not in text
    (ignored,) = (int(line.split()[1], 16) for line in text.splitlines() if line.startswith("SigIgn"))
    usual = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD, signal.SIGTERM)
    assert not any(ignored & 1 << (number - 1) for number in usual)


async def test_a_caller_that_goes_ends_the_step(box: Box, store: Store) -> None:
    answer = box.open("shell", **order(store, "echo progress 0.5; setsid sleep 296.5 & sleep 296.5"))
    while b'"step": 50' not in answer.readline():
        pass
    answer.close()
    box.connection.close()
    await eventually(lambda: not processes_naming("sleep 296.5"))


async def test_nothing_outlives_a_runner_that_is_killed(tmp_path: Path, store: Store) -> None:
    one = Box(tmp_path)
    answer = one.open("shell", **order(store, "setsid sleep 295.5 & echo progress 0.5; sleep 295.5"))
    while b'"step": 50' not in answer.readline():
        pass
    template = template_of(one.process.pid)
    one.process.send_signal(signal.SIGKILL)
    one.close()
    await eventually(lambda: gone(template))
    assert processes_naming("sleep 295.5") == []


def test_a_runner_whose_template_has_ended_goes_on(box: Box, store: Store) -> None:
    os.kill(template_of(box.process.pid), signal.SIGKILL)
    for _ in range(2):
        assert end(box.open("shell", **order(store, "echo > outputs/text")))["type"] == "completed"
