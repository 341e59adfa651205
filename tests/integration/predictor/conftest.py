"""Tiny weights and predictor processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eventing.s3 import S3Location
from tests.integration.predictor.process import Predictor


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the weights of the catalog's tiny model."""
    folder = tmp_path_factory.mktemp("tiny")
    subprocess.run([sys.executable, "-m", "predictor.tiny", folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def storage(s3: S3Location) -> dict[str, str]:
    """The environment with which a predictor reaches the tests' bucket."""
    keys = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return keys | {"REELZERO_S3_ENDPOINT": s3.endpoint or "", "REELZERO_S3_BUCKET": s3.bucket}


Start = Callable[..., Predictor]


@pytest.fixture
def start(tmp_path: Path, tiny: Path) -> Iterator[Start]:
    """Start predictors with tiny weights; whatever still runs at the end is killed."""
    started: list[Predictor] = []

    def run(hold: tuple[str, Path] | None = None, **env: str) -> Predictor:
        settings = {"REELZERO_MODEL_DIR": str(tiny)} | env
        predictor = Predictor(settings, tmp_path / f"predictor-{len(started)}.log", hold)
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
    """One ready predictor for all tests of a module that leave it as it was."""
    log = tmp_path_factory.mktemp("shared") / "log"
    predictor = Predictor(storage | {"REELZERO_MODEL_DIR": str(tiny)}, log)
    predictor.wait()
    yield predictor
    predictor.process.kill()
    predictor.process.wait()
