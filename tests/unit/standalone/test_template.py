"""The warm template: predictors forked from it are like those that start alone, which they always can."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from eventing.contract.catalog import load_catalog
from eventing.standalone.processes.launch import Launcher, Predictor, new_log
from eventing.standalone.processes.process import tail
from eventing.standalone.processes.template import Template
from tests.support.waiting import eventually, first_number, gone, python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
FAKE = Path(__file__).with_name("fake_predictor.py")
LIGHT = f"""
import random, runpy, sys, threading, time
from predictor import template
{{extra}}

def predictor():
    print(random.random(), file=sys.stderr, flush=True)
    runpy.run_path({str(FAKE)!r}, run_name="__main__")

template.main(lambda families: predictor)
"""
THREADED = "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
PARENT = """
import asyncio, sys
from pathlib import Path
from eventing.standalone.processes.template import Template

async def main():
    home = Path(sys.argv[1])
    template = Template(sys.argv[3:], {"PYTHONPATH": sys.argv[2]}, lambda: home / "template.log")
    template.begin()
    order = (["--http_port=0"], {"REELZERO_SCRATCH_DIR": str(home)}, home / "log")
    process = await template.fork(*order)
    print(process.pid, flush=True)
    await process.wait()

asyncio.run(main())
"""
ROOT = str(Path(__file__).parents[3])
Make = Callable[..., tuple[Launcher, Template]]


def light(extra: str = "") -> tuple[str, ...]:
    """The command of a template whose predictors are the fake, with other code before its imports."""
    return (sys.executable, "-c", LIGHT.format(extra=extra))


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    async with AsyncExitStack() as stack:

        def build(command: tuple[str, ...] = light(), **environment: str) -> tuple[Launcher, Template]:
            env = {"PATH": os.environ["PATH"], "PYTHONPATH": ROOT, **environment}
            template = Template(command, env, lambda: new_log(tmp_path, "template"))
            stack.push_async_callback(template.close)
            template.begin()
            build_command = (sys.executable, "-c", "import pathlib, sys; pathlib.Path(sys.argv[1]).mkdir()")
            fake = (sys.executable, str(FAKE))
            return Launcher(tmp_path, env, None, fake, build_command, template), template

        yield build


async def started(launcher: Launcher, stack: AsyncExitStack) -> Predictor:
    predictor = await launcher.start(load_catalog().get("tiny"), ("cpu",))
    stack.push_async_callback(predictor.stop, 0)
    return predictor


def parent(predictor: Predictor) -> int:
    return int(Path(f"/proc/{predictor.process.pid}/stat").read_text().rpartition(")")[2].split()[1])


def starts(folder: Path) -> list[dict[str, Any]]:
    """What the fakes have written about their starts so far."""
    lines = [line for log in folder.glob("logs/predictor-*.log") for line in tail(log)]
    return [json.loads(line) for line in lines if line.startswith("{")]


def words(predictor: Predictor) -> dict[str, Any]:
    """What the fake wrote about its start, without what differs from start to start."""
    line = next(line for line in tail(predictor.process.log) if line.startswith("{"))
    start: dict[str, Any] = json.loads(line)
    assert start.pop("pid") == predictor.process.pid
    assert start["argv"].pop(0).startswith("--http_port=")
    return start


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(vars(one)["cause"]) for one in caplog.records if one.levelno == logging.WARNING]


async def test_a_fork_is_like_a_predictor_that_starts_alone(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    launcher, _ = make(AWS_ACCESS_KEY_ID="key")
    alone = Launcher(launcher.data_dir, launcher.environment, None, launcher.command, launcher.build_command)
    async with AsyncExitStack() as stack:
        first, second, plain = [await started(one, stack) for one in (launcher, launcher, alone)]
        assert parent(first) == parent(second) != parent(plain) == os.getpid()
        assert words(first) == words(second) == words(plain)
        assert os.getpgid(first.process.pid) == os.getsid(first.process.pid) == first.process.pid
        random = [tail(one.process.log)[0] for one in (first, second)]
        assert random[0] != random[1], "each draws its own random numbers"
        assert first.process.log.stat().st_mode & 0o777 == 0o600
        await first.stop(grace=60)
        assert (first.process.alive, first.process.status) == (False, -signal.SIGTERM)
        assert second.process.alive and gone(first.process.pid)
    (ready,) = [one for one in caplog.records if one.message == "the warm template is ready"]
    assert vars(ready)["memory_mib"] > 1
    assert not warnings(caplog)


async def test_predictors_outlive_their_template_which_comes_back(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    launcher, template = make()
    async with AsyncExitStack() as stack:
        first = await started(launcher, stack)
        dead = parent(first)
        os.kill(dead, signal.SIGKILL)
        await eventually(lambda: gone(dead))
        second = await started(launcher, stack)
        assert parent(second) == os.getpid(), "it started alone"
        assert await first.is_ready(), "it goes on"
        third = await started(launcher, stack)
        assert parent(third) not in (dead, os.getpid()), "the template is back"
        await first.stop(grace=0)
        await eventually(lambda: gone(first.process.pid))
        await template.close()
        assert await third.is_ready(), "it goes on here, too"
    (cause,) = warnings(caplog)
    assert cause.startswith("it has ended")


@pytest.mark.parametrize(
    ("extra", "cause"),
    [
        (THREADED, "it has 2 threads, and a fork would have one"),
        ("raise SystemExit('No module named kserve')", "it has ended: No module named kserve"),
    ],
    ids=["threads", "broken"],
)
async def test_a_template_that_cannot_fork_is_named_in_one_warning(
    make: Make, caplog: pytest.LogCaptureFixture, extra: str, cause: str
) -> None:
    launcher, _ = make(light(extra))
    async with AsyncExitStack() as stack:
        for _ in range(2):
            assert parent(await started(launcher, stack)) == os.getpid()
    assert warnings(caplog) == [cause]


async def test_a_template_of_other_code_is_not_used(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    packages = tmp_path / "site-packages"
    packages.mkdir()
    launcher, _ = make(PYTHONPATH=f"{ROOT}:{packages}")
    async with AsyncExitStack() as stack:
        before = parent(await started(launcher, stack))
        os.utime(packages, ns=(1, 1))  # as an installation does
        assert parent(await started(launcher, stack)) == os.getpid()
        assert parent(await started(launcher, stack)) not in (before, os.getpid()), "a new one took its place"
    assert warnings(caplog) == ["the code has changed since it was imported"]


async def test_a_start_that_is_cancelled_leaves_no_process(make: Make, tmp_path: Path) -> None:
    launcher, _ = make(FAKE_GATE=str(tmp_path / "never"))
    starting = asyncio.create_task(launcher.start(load_catalog().get("tiny"), ("cpu",)))
    await eventually(lambda: starts(tmp_path))
    (start,) = starts(tmp_path)
    starting.cancel()
    await asyncio.wait({starting})
    assert gone(start["pid"])


async def test_a_fork_does_not_outlive_a_service_that_is_killed(tmp_path: Path) -> None:
    with python(PARENT, str(tmp_path), ROOT, *light()) as running:
        pid = first_number(running)
        assert not gone(pid)
        running.kill()
        await eventually(lambda: gone(pid))
