"""Tiny weights, predictor processes, and queue-proxies in front of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from eventing.contract.storage.s3 import S3Location
from tests.integration.predictor.held import Held, holding
from tests.integration.predictor.process import Predictor
from tests.knative.proxy import QueueProxy
from tests.knative.real import RealQueueProxy
from tests.support import adapters

READY = "/v2/models/tiny/ready"
Queue = Callable[..., Any]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the weights of the catalog's tiny model."""
    folder = tmp_path_factory.mktemp("tiny")
    subprocess.run([sys.executable, "-m", "predictor.models.tiny", folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def storage(s3: S3Location) -> dict[str, str]:
    """The environment with which a predictor reaches the tests' bucket."""
    keys = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return keys | {"REELZERO_S3_ENDPOINT": s3.endpoint or "", "REELZERO_S3_BUCKET": s3.bucket}


Start = Callable[..., Predictor]


@pytest.fixture
def start(request: pytest.FixtureRequest, tmp_path: Path, tiny: Path) -> Iterator[Start]:
    """Start predictors with tiny weights, alone if the module says ALONE. What runs at the end is killed."""
    alone = getattr(request.module, "ALONE", False)
    started: list[Predictor] = []

    def run(hold: tuple[str, Path] | None = None, **env: str) -> Predictor:
        settings = {"REELZERO_MODEL_DIR": str(tiny)} | env
        predictor = Predictor(settings, tmp_path / f"predictor-{len(started)}.log", hold, alone=alone)
        started.append(predictor)
        return predictor

    yield run
    for predictor in started:
        predictor.process.kill()
        predictor.process.wait()


@pytest.fixture(scope="module")
def shared(
    tiny: Path, storage: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Predictor]:
    """One ready predictor for all tests of a module that leave it as it was. It has the adapter `ink`."""
    folder = tmp_path_factory.mktemp("shared")
    ink = adapters.write_adapter(tiny / "transformer", folder / "ink.safetensors")
    (folder / "ink.yaml").write_text(yaml.safe_dump(adapters.entry("ink", ink).model_dump(mode="json")))
    env = storage | {"REELZERO_MODEL_DIR": str(tiny), "REELZERO_CATALOG_DIR": str(folder)}
    predictor = Predictor(env, folder / "log")
    try:
        predictor.wait()
        yield predictor
    finally:
        predictor.process.kill()
        predictor.process.wait()


@pytest.fixture(params=["emulated", "real"])
def queue(request: pytest.FixtureRequest) -> Queue:
    """Make a queue-proxy in front of a predictor."""
    if request.param == "real" and "QUEUE_PROXY_BIN" not in os.environ:
        pytest.skip("set QUEUE_PROXY_BIN to a queue-proxy built from knative/serving, cmd/queue")
    kind = QueueProxy if request.param == "emulated" else RealQueueProxy

    def make(predictor: Predictor, **options: Any) -> Any:
        return kind(f"http://127.0.0.1:{predictor.port}", READY, **options)

    return make


@pytest.fixture(scope="module")
def process(tiny: Path, storage: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """One predictor for the tests that leave it as it was; each job of it waits in `decode`."""
    folder = tmp_path_factory.mktemp("held")
    env = storage | {"REELZERO_MODEL_DIR": str(tiny)}
    with holding(env, folder) as held:
        yield held


@pytest.fixture
def held(process: Held) -> Iterator[Held]:
    process.arm()
    yield process
    process.release()
