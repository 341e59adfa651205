"""The pool of local devices, with small fake processes: from zero, reused, evicted, idle, broken."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from eventing.contract.catalog import Catalog, CatalogEntry, load_catalog
from eventing.contract.errors import ModelUnavailable
from eventing.standalone.processes.launch import Launcher
from eventing.standalone.processes.predictors import LocalPredictors
from tests.support.waiting import eventually, gone

FAKE = Path(__file__).with_name("fake_predictor.py")
BUILD = "import pathlib, sys; pathlib.Path(sys.argv[1]).mkdir()"
SLOW_BUILD = """
import pathlib, sys, time
part = pathlib.Path(sys.argv[1])
part.mkdir()
home = part.parent.parent
with (home / "builds").open("a") as builds:
    builds.write("built\\n")
while not (home / "go").exists():
    time.sleep(0.01)
(part / "weights").touch()
"""
Make = Callable[..., LocalPredictors]


def catalog() -> Catalog:
    tiny = load_catalog().get("tiny")

    def model(name: str, gpus: int, cold_start: int = 60) -> CatalogEntry:
        budget = tiny.budget.model_copy(update={"cold_start_seconds": cold_start})
        return tiny.model_copy(update={"name": name, "gpus": gpus, "repository": "x/y", "budget": budget})

    return Catalog((tiny, model("one", 1), model("two", 1), model("wide", 2), model("hasty", 0, 1)))


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    made: list[LocalPredictors] = []

    def build(
        *devices: str,
        idle: float = 3600,
        models_dir: Path | None = None,
        builder: str = BUILD,
        **environment: str,
    ) -> LocalPredictors:
        env = {"PATH": os.environ["PATH"], **environment}
        fake, build = (sys.executable, str(FAKE)), (sys.executable, "-c", builder)
        launcher = Launcher(tmp_path, env, models_dir, fake, build)
        routes = [(name, "default") for name in catalog().names()]
        made.append(LocalPredictors(launcher, catalog(), routes, devices or ("cpu",), idle))
        return made[-1]

    yield build
    for predictors in made:
        await predictors.close()


def told(folder: Path) -> list[dict[str, Any]]:
    """What each fake said about its start, oldest first."""
    logs = sorted((folder / "logs").glob("predictor-*.log"), key=lambda path: path.stat().st_mtime_ns)
    return [json.loads(path.read_text().splitlines()[0]) for path in logs if path.read_text()]


async def opened(predictors: LocalPredictors, model: str) -> str:
    async with predictors.open(model, "default") as url:
        return url


async def test_from_zero_then_reused(make: Make) -> None:
    predictors = make()
    assert predictors.running() == {}
    first = await opened(predictors, "tiny")
    (pid,) = predictors.running()
    assert await opened(predictors, "tiny") == first
    assert list(predictors.running()) == [pid]


async def test_one_pool_with_a_place_for_each_device(make: Make) -> None:
    (pool,) = make("GPU-a", "GPU-b").pools()
    assert pool.capacity == 2
    assert ("two", "default") in pool.routes


async def test_what_a_predictor_is_told(make: Make, tmp_path: Path) -> None:
    await opened(make("GPU-a", AWS_ACCESS_KEY_ID="key"), "one")
    (start,) = told(tmp_path)
    expected = {
        "REELZERO_MODEL": "one", "REELZERO_DEVICE": "cuda", "REELZERO_PREDICTOR_HOST": "127.0.0.1",
        "OMP_WAIT_POLICY": "passive",
        "REELZERO_SCRATCH_DIR": str(tmp_path / "scratch"), "CUDA_VISIBLE_DEVICES": "GPU-a",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "AWS_ACCESS_KEY_ID": "key",
    }  # fmt: skip
    assert start["env"] == expected
    assert start["argv"][1:] == ["--enable_grpc=false"]


async def test_a_cpu_model_sees_no_gpu(make: Make, tmp_path: Path) -> None:
    await opened(make("GPU-a"), "tiny")
    env = told(tmp_path)[0]["env"]
    assert (env["REELZERO_DEVICE"], env["CUDA_VISIBLE_DEVICES"]) == ("cpu", "")
    assert env["REELZERO_MODEL_DIR"] == str(tmp_path / "models" / "tiny")


async def test_an_operators_folder_is_used(make: Make, tmp_path: Path) -> None:
    (tmp_path / "mine" / "one").mkdir(parents=True)
    predictors = make("GPU-a", "GPU-b", models_dir=tmp_path / "mine")
    await opened(predictors, "one")
    await opened(predictors, "two")
    one, two = told(tmp_path)
    assert one["env"]["REELZERO_MODEL_DIR"] == str(tmp_path / "mine" / "one")
    assert "REELZERO_MODEL_DIR" not in two["env"]


async def test_every_device_has_its_process(make: Make, tmp_path: Path) -> None:
    predictors = make("GPU-a", "GPU-b")
    async with predictors.open("one", "default") as first, predictors.open("one", "default") as second:
        assert first != second
    assert {start["env"]["CUDA_VISIBLE_DEVICES"] for start in told(tmp_path)} == {"GPU-a", "GPU-b"}


async def test_weights_are_built_once_when_two_processes_want_them(make: Make, tmp_path: Path) -> None:
    predictors = make("GPU-a", "GPU-b", builder=SLOW_BUILD)
    opening = [asyncio.create_task(opened(predictors, "tiny")) for _ in range(2)]
    await eventually((tmp_path / "builds").exists)
    (tmp_path / "go").touch()
    assert len(set(await asyncio.gather(*opening))) == 2
    assert (tmp_path / "builds").read_text() == "built\n"


async def test_the_longest_idle_makes_room(make: Make) -> None:
    predictors = make("GPU-a", "GPU-b")
    await opened(predictors, "one")
    await opened(predictors, "two")
    assert sorted(predictors.running().values()) == ["one", "two"]
    await opened(predictors, "tiny")
    assert sorted(predictors.running().values()) == ["tiny", "two"]


async def test_a_wide_model_waits_for_all_its_devices_and_is_not_passed_by(
    make: Make, tmp_path: Path
) -> None:
    predictors = make("GPU-a", "GPU-b")
    order: list[str] = []

    async def use(model: str) -> None:
        async with predictors.open(model, "default"):
            order.append(model)

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(predictors.open("one", "default"))
        wide = asyncio.create_task(use("wide"))
        await asyncio.sleep(0)
        narrow = asyncio.create_task(use("two"))
        await asyncio.sleep(0)
        assert order == []
    await asyncio.gather(wide, narrow)
    assert order == ["wide", "two"]
    assert "GPU-a,GPU-b" in [start["env"]["CUDA_VISIBLE_DEVICES"] for start in told(tmp_path)]


async def test_idle_predictors_are_stopped(make: Make) -> None:
    predictors = make(idle=0.01)
    async with predictors.open("tiny", "default"):
        (pid,) = predictors.running()
    await eventually(lambda: gone(pid))
    await eventually(lambda: not predictors.running())
    await opened(predictors, "tiny")


@pytest.mark.parametrize("wanted", ["by another model", "by a job that is cancelled", "by no job"])
async def test_one_that_is_stopped_finishes_its_upload(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    monkeypatch.setattr("eventing.standalone.processes.predictors.STOP_SECONDS", 0.001)
    predictors = make("GPU-a", idle=0.01 if wanted == "by no job" else 3600, FAKE_TAIL="1")
    async with predictors.open("one", "default"):
        (pid,) = predictors.running()
    other = None if wanted == "by no job" else asyncio.create_task(opened(predictors, "two"))
    scratch = tmp_path / "scratch"
    await eventually(lambda: (scratch / "stopping").exists() or gone(pid))
    if other and wanted == "by a job that is cancelled":
        other.cancel()
        with pytest.raises(asyncio.CancelledError):
            await other
    (scratch / "uploaded").touch()
    await eventually(lambda: pid not in predictors.running())
    assert (scratch / "result").exists()
    await opened(predictors, "two")


async def test_a_dead_predictor_is_forgotten(make: Make) -> None:
    predictors = make()
    await opened(predictors, "tiny")
    (pid,) = predictors.running()
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: not predictors.running())
    await opened(predictors, "tiny")
    assert pid not in predictors.running()


async def test_one_that_lost_its_device_is_replaced(make: Make, tmp_path: Path) -> None:
    predictors = make()
    async with predictors.open("tiny", "default"):
        (pid,) = predictors.running()
    (tmp_path / "scratch" / "lost").touch()
    replacing = asyncio.create_task(opened(predictors, "tiny"))
    await eventually(lambda: gone(pid))
    (tmp_path / "scratch" / "lost").unlink()
    await replacing


@pytest.mark.parametrize(
    ("model", "mode", "reason"),
    [
        ("tiny", "failed", "^/models/x/model.safetensors is missing$"),
        ("tiny", "crash", r"ended while starting: .*'kserve': pip install 'reelzero\[predictor\]' \(log: "),
        ("hasty", "loading", "within 1 s, the cold_start_seconds of its catalog entry: loading"),
    ],
)
async def test_why_it_does_not_start(make: Make, model: str, mode: str, reason: str) -> None:
    predictors = make(FAKE=mode)
    with pytest.raises(ModelUnavailable, match=reason):
        await opened(predictors, model)
    assert predictors.running() == {}


async def test_the_place_is_free_after_a_failed_start(make: Make) -> None:
    predictors = make(FAKE="failed")
    for _ in range(2):
        with pytest.raises(ModelUnavailable):
            await asyncio.wait_for(opened(predictors, "tiny"), 60)


async def test_a_lost_race_for_the_port_is_run_again(make: Make, tmp_path: Path) -> None:
    await opened(make(FAKE_TAKEN="1"), "tiny")
    assert len(told(tmp_path)) == 2


async def test_too_few_gpus(make: Make) -> None:
    with pytest.raises(ModelUnavailable, match="one needs 1 GPU and this machine has no GPU"):
        await opened(make("cpu"), "one")
    with pytest.raises(ModelUnavailable, match="wide needs 2 GPUs and this machine has 1"):
        await opened(make("GPU-a"), "wide")
    await opened(make("cpu", REELZERO_DEVICE="cpu"), "one")


async def test_giving_up_while_it_starts_leaves_nothing(make: Make, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    predictors = make(FAKE_GATE=str(gate))
    starting = asyncio.create_task(opened(predictors, "tiny"))
    await eventually(lambda: told(tmp_path))
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert gone(told(tmp_path)[0]["pid"])
    gate.touch()
    await opened(predictors, "tiny")


async def test_close_stops_all(make: Make) -> None:
    predictors = make("GPU-a", "GPU-b")
    await opened(predictors, "one")
    await opened(predictors, "two")
    pids = list(predictors.running())
    await predictors.close()
    assert all(gone(pid) for pid in pids)


async def test_a_model_that_cannot_be_built(make: Make, tmp_path: Path) -> None:
    predictors = make()
    broken = (sys.executable, "-c", "raise SystemExit('no space')")
    predictors._launcher = Launcher(tmp_path, {}, None, (sys.executable, str(FAKE)), broken)
    with pytest.raises(ModelUnavailable, match="tiny could not be built: no space"):
        await opened(predictors, "tiny")
    assert not (tmp_path / "models" / "tiny").exists()


async def test_a_predictor_shows_where_its_metrics_are(make: Make) -> None:
    predictors = make()
    async with predictors.open("tiny", "default") as url:
        assert [f"http://{each.address}" for each in predictors.predictors()] == [url]
