"""Children: logs, stopping, and not outliving a parent that is killed outright, by either kind of tether."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from eventing.standalone.processes import process as module
from eventing.standalone.processes.process import Process, free_port, is_free, last_words, tail
from tests.support.waiting import eventually, first_number, gone, python

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""
POLITE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print("up", flush=True)
time.sleep(60)
"""
BREEDER = """
import subprocess, sys
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
"""
PARENT = """
import asyncio, sys
from pathlib import Path
from eventing.standalone.processes.process import Process

async def main():
    child = await Process.start([sys.executable, "-c", "import time; time.sleep(60)"], Path(sys.argv[1]))
    print(child.pid, flush=True)
    await child.wait()

asyncio.run(main())
"""
WATCHED_PARENT = """
import subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-IS", sys.argv[2], "--watch", "0", sys.executable, "-c",
     "import os, time; print(os.getpid(), flush=True); time.sleep(60)"],
    stdin=subprocess.PIPE, start_new_session=True)
child.wait()
"""


def code(text: str) -> list[str]:
    return [sys.executable, "-c", text]


async def test_output_goes_to_the_log_and_the_status_is_known(tmp_path: Path) -> None:
    child = await Process.start(code("print('hello'); raise SystemExit(3)"), tmp_path / "logs" / "a.log")
    assert await child.wait() == 3
    assert not child.alive
    assert tail(child.log) == ["hello"]


async def test_stop_asks_first(tmp_path: Path) -> None:
    child = await Process.start(code(POLITE), tmp_path / "log")
    await eventually(lambda: tail(child.log) == ["up"])
    await child.stop(grace=30)
    assert child.status == 7


async def test_stop_kills_what_does_not_listen(tmp_path: Path) -> None:
    child = await Process.start(code(STUBBORN), tmp_path / "log")
    await eventually(lambda: tail(child.log) == ["up"])
    await child.stop(grace=0.05)
    assert child.status == -signal.SIGKILL


async def test_stop_that_is_given_up_still_kills(tmp_path: Path) -> None:
    child = await Process.start(code(STUBBORN), tmp_path / "log")
    await eventually(lambda: tail(child.log) == ["up"])
    stopping = asyncio.create_task(child.stop(grace=3600))
    await asyncio.sleep(0)
    stopping.cancel()
    assert await child.wait() == -signal.SIGKILL


async def test_grandchildren_end_with_the_child(tmp_path: Path) -> None:
    child = await Process.start(code(BREEDER), tmp_path / "log")
    await child.wait()
    grandchild = int(tail(child.log)[0])
    await eventually(lambda: gone(grandchild))


async def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    child = await Process.start(["/no/such/command"], tmp_path / "log")
    assert await child.wait() == 127
    assert last_words(child.log) == "/no/such/command: No such file or directory"


@pytest.mark.parametrize("parent", [PARENT, WATCHED_PARENT])
async def test_a_killed_parent_leaves_no_child(tmp_path: Path, parent: str) -> None:
    with python(parent, str(tmp_path / "log"), str(module.TETHER)) as running:
        child = await asyncio.to_thread(first_number, running)
        assert not gone(child)
        running.kill()
    await eventually(lambda: gone(child))


async def test_a_watched_command_keeps_its_status(tmp_path: Path) -> None:
    command = [sys.executable, str(module.TETHER), "--watch", "0", *code("raise SystemExit(5)")]
    child = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert await child.wait() == 5


def test_last_words_prefer_an_error_record(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        '{"level": "error", "message": "no weights"}\n{"level": "info", "message": "bye"}\nTraceback\n'
    )
    assert last_words(log) == "no weights"
    log.write_text("one\n\ntwo\n")
    assert last_words(log) == "two"
    assert last_words(tmp_path / "none") == "its log is empty"


def test_ports() -> None:
    port = free_port()
    assert is_free(port)
