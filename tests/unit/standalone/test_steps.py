"""The runner of this machine's steps: from zero, shared, idle, killed; and what it gets to know."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from eventing.contract.errors import ConfigurationError
from eventing.contract.stories.catalog import load_step_types
from eventing.settings import StepEndpoint
from eventing.standalone.processes import steps
from eventing.standalone.processes.launch import inherited
from eventing.standalone.processes.steps import LocalSteps, StepLauncher
from tests.support.waiting import eventually, gone, processes_naming
from tests.unit.steps.store import Store

TOKEN = "a-token-of-the-runner"
LINES = {"env": "env > {outputs}/text", "wait": "echo progress 0.5; sleep 294.5"}
Make = Callable[..., LocalSteps]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    made: list[LocalSteps] = []

    def build(idle: float = 3600) -> LocalSteps:
        commands = {name: ["sh", "-c", line] for name, line in LINES.items()}
        env = inherited() | {"AWS_SECRET_ACCESS_KEY": "a-secret", "REELZERO_DATABASE_URL": "a-database"}
        endpoints = [StepEndpoint(name="steps", types=tuple(LINES), capacity=2)]
        made.append(LocalSteps(StepLauncher(tmp_path, env, TOKEN, commands, 2), endpoints, ["narrate"], idle))
        return made[-1]

    yield build
    for one in made:
        await one.close()
    assert not processes_naming(str(tmp_path))


async def run(url: str, name: str, store: Store) -> str:
    """Run a step, and return its stream."""
    step = {"identity": {}, "inputs": {}, "parameters": {}, "manifest": store.target("manifest")}
    body = {"parameters": {"step": step | {"outputs": {"text": store.target("out")}}}}
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:
        async with session.post(f"{url}/v2/models/{name}/generate_stream", json=body) as answer:
            return await answer.text()


async def test_steps_share_one_process_which_knows_no_keys(make: Make, tmp_path: Path) -> None:
    runner = make()
    assert [(pool.name, pool.capacity) for pool in runner.pools()] == [("steps:steps", 2)]
    assert runner.predictors() == []
    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(runner.open(name, "default")) for name in LINES]
        assert urls[0] == urls[1]
        (state,) = runner.predictors()
        assert (state.model, state.state) == ("steps", "working")
        with Store() as store:
            assert '"completed"' in await run(urls[0], "env", store)
            text = store.files["/out"].decode()
    assert not {"a-secret", "a-database", TOKEN} & {line.partition("=")[2] for line in text.splitlines()}
    assert f"TMPDIR={tmp_path}/scratch/steps" in text
    assert [state.state for state in runner.predictors()] == ["idle"]


async def test_a_killed_runner_is_replaced_and_an_idle_one_stopped(make: Make) -> None:
    runner = make(idle=0)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(runner.open("env", "default"))
        (state,) = runner.predictors()
        pid = int(state.name.split()[1])
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: runner.predictors()[0].state == "starting")
        await stack.enter_async_context(runner.open("env", "default"))
        (state,) = runner.predictors()
        assert int(state.name.split()[1]) != pid
    await eventually(lambda: runner.predictors() == [])
    assert gone(int(state.name.split()[1]))


async def test_the_packages_that_are_missing_are_named(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    assert make().obstacle("narrate") is None
    monkeypatch.setattr(steps, "NEEDED", ("av", "no_such_package"))
    runner = make()
    problem = "no_such_package cannot be imported: pip install 'reelzero[steps]'"
    assert (runner.obstacle("narrate"), runner.obstacle("env")) == (problem, None)


def test_types_of_an_operator_run_beside_those_of_the_box(tmp_path: Path) -> None:
    kind = {
        "name": "align", "title": "Align", "outputs": {"words": {"media": "application/json"}},
        "run": {"kind": "command", "words": ["align", "{inputs}/speech"]},
        "budget": {"cold_start_seconds": 60, "generation_seconds": 60},
    }  # fmt: skip
    (tmp_path / "align.yaml").write_text(json.dumps(kind))
    commands = steps.commands(load_step_types(tmp_path).values())
    assert commands["align"] == ["align", "{inputs}/speech"]
    assert commands["narrate"][1:4] == ["-m", "steps", "narrate"]
    with pytest.raises(ConfigurationError, match="is missing or no folder"):
        load_step_types(tmp_path / "none")
