"""A real S3 server, tiny weights and predictor processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from eventing.errors import StorageError
from eventing.s3 import Bucket, S3Location
from tests.integration.predictor.process import Predictor, free_port

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret"}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the weights of the catalog's tiny model."""
    folder = tmp_path_factory.mktemp("tiny")
    subprocess.run([sys.executable, "-m", "predictor.tiny", folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A SeaweedFS on loopback; the environment that reaches its bucket."""
    folder = tmp_path_factory.mktemp("seaweed")
    credentials = [{"accessKey": KEYS["AWS_ACCESS_KEY_ID"], "secretKey": KEYS["AWS_SECRET_ACCESS_KEY"]}]
    identity = {"name": "t", "credentials": credentials, "actions": ["Admin", "Read", "Write", "List"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    port = free_port()
    process = _start(folder, port)
    yield KEYS | {"REELZERO_S3_ENDPOINT": f"http://127.0.0.1:{port}", "REELZERO_S3_BUCKET": "videos"}
    process.kill()  # asked politely it takes 25 s
    process.wait()


def _start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    weed = Path(sys.executable).with_name("weed")
    ports = {name: free_port() for name in ("master", "volume", "filer")}
    return subprocess.Popen(
        [weed, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]
        + [f"-{name}.port={value}" for name, value in ports.items()]
        + [f"-{name}.port.grpc={free_port()}" for name in ports]
        + [f"-s3.port={port}", f"-s3.port.grpc={free_port()}", f"-s3.config={folder}/s3.json"]
        + [
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-master.telemetry=false",
            "-volume.max=8",
            "-master.volumeSizeLimitMB=64",
        ],
        stdout=(folder / "log").open("wb"),
        stderr=subprocess.STDOUT,
    )


@pytest.fixture
def bucket(seaweed: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """The bucket as a test reads it, once the server takes a real PUT."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    bucket = Bucket(S3Location("videos", seaweed["REELZERO_S3_ENDPOINT"]))
    end = time.monotonic() + 60
    while True:
        try:
            bucket.ensure()
            bucket.put("ready", b"", "text/plain")
        except StorageError:
            assert time.monotonic() < end
            time.sleep(0.2)
        else:
            return bucket


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
    tiny: Path, seaweed: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Predictor]:
    """One ready predictor for all tests of a module that leave it as it was."""
    log = tmp_path_factory.mktemp("shared") / "log"
    predictor = Predictor(seaweed | {"REELZERO_MODEL_DIR": str(tiny)}, log)
    predictor.wait()
    yield predictor
    predictor.process.kill()
    predictor.process.wait()
