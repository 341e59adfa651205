"""A real S3 server for tests: SeaweedFS from PyPI on free loopback ports, data in a temporary folder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from eventing.errors import StorageError
from eventing.s3 import Bucket, S3Location

KEYS = {"accessKey": "test", "secretKey": "test-secret"}
START_SECONDS = 60


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """Its endpoint; REELZERO_TEST_S3 names one that runs already, with credentials in the AWS variables."""
    if url := os.environ.get("REELZERO_TEST_S3"):
        yield url
        return
    os.environ |= {"AWS_ACCESS_KEY_ID": KEYS["accessKey"], "AWS_SECRET_ACCESS_KEY": KEYS["secretKey"]}
    with tempfile.TemporaryDirectory(prefix="rz-s3-", ignore_cleanup_errors=True) as folder:
        port, command = _command(Path(folder))
        log = (Path(folder) / "log").open("wb")
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait(f"http://127.0.0.1:{port}", process, Path(folder) / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def _command(folder: Path) -> tuple[int, list[str]]:
    identity = {"name": "test", "credentials": [KEYS], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    master, volume, filer, s3 = _ports()
    weed = Path(sys.executable).parent / "weed"
    flags = f"-dir={folder} -ip=127.0.0.1 -ip.bind=127.0.0.1 -filer -s3 -s3.config={config} -volume.max=8"
    flags += f" -master.volumeSizeLimitMB=64 -master.port={master} -volume.port={volume} -filer.port={filer}"
    flags += f" -s3.port={s3} -s3.port.iceberg=0 -s3.port.lance=0"
    return s3, [str(weed), "server", *flags.split()]


def _ports() -> list[int]:
    """Four free ports whose gRPC twins (10,000 higher) are valid ports too."""
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < 4:
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            if port < 55_000:
                found.append(port)
    return found


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    bucket = Bucket(S3Location("probe", url))
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            bucket.ensure()
            bucket.put("probe", b"x", "text/plain")
            return
        except StorageError:
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"the S3 server did not start:\n{log.read_text()[-3000:]}") from None
            time.sleep(0.2)
