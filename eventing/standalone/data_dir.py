"""The data directory: everything one edition keeps, used by one process at a time.

jobs.db         jobs, events, keys         secrets.json   signs webhooks (0600)
s3/             objects and S3 credentials models/        weights built here
logs/           one file per process       scratch/       videos not uploaded yet
lock            who uses it                service.json   port of the last run
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from eventing.contract.errors import ConfigurationError
from eventing.standalone.files import read_json, write_private

SECRET_BYTES = 32


@dataclass(frozen=True)
class Holder:
    """The process that uses a data directory, and its service's URL once it serves."""

    pid: int
    url: str | None


class InUse(ConfigurationError):
    """Another process uses the data directory."""

    def __init__(self, path: Path, holder: Holder) -> None:
        where = f" and serves {holder.url}" if holder.url else ""
        super().__init__(
            f"{path} is used by process {holder.pid}{where}: stop it, or choose another --data-dir",
            field="--data-dir",
        )
        self.holder = holder


class DataDir:
    """Paths and small persistent values. `open_data_dir` makes and locks it."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.log = self.logs / "reelzero.log"
        self.s3 = self.path / "s3"

    @property
    def database_url(self) -> str:
        """SQLite in this directory."""
        return f"sqlite+aiosqlite:///{self.path}/reelzero.db"

    def webhook_secret(self) -> str:
        """The `whsec_` secret that signs this directory's webhooks, made on first use."""
        path = self.path / "secrets.json"
        stored = read_json(path).get("webhook")
        if isinstance(stored, str):
            return stored
        made = "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
        write_private(path, json.dumps({"webhook": made}))
        return made

    def last_port(self) -> int | None:
        """The port that was served last."""
        port = read_json(self.path / "service.json").get("port")
        return port if isinstance(port, int) else None

    def remember_port(self, port: int) -> None:
        """Keep the port for the next run, so that its links work again."""
        write_private(self.path / "service.json", json.dumps({"port": port}))

    def announce(self, url: str) -> None:
        """Tell who asks for this directory where its service is."""
        _write_holder(self.path / "lock", Holder(os.getpid(), url))


@contextmanager
def open_data_dir(path: Path) -> Iterator[DataDir]:
    """The directory, made if needed and this process's alone. Raises InUse, ConfigurationError."""
    data = DataDir(path)
    try:
        descriptor = _make(data)
    except OSError as error:
        raise ConfigurationError(
            f"the data directory {data.path} cannot be used: {error.strerror}", field="--data-dir"
        ) from error
    try:
        # Left by a process that was killed; nobody else is here now.
        shutil.rmtree(data.path / "scratch", ignore_errors=True)
        yield data
    finally:
        os.close(descriptor)  # and with it the lock


def _make(data: DataDir) -> int:
    """Make the directory and lock it; the lock's file. Raises InUse, OSError."""
    data.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    data.logs.mkdir(exist_ok=True)
    descriptor = os.open(data.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(data, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _lock(data: DataDir, descriptor: int) -> None:
    try:
        # By the kernel: a lock that a killed process leaves behind is no lock.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InUse(data.path, _read_holder(data.path / "lock")) from error
    _write_holder(data.path / "lock", Holder(os.getpid(), None))


def _write_holder(path: Path, holder: Holder) -> None:
    # In place, since the lock is on this very file and not on its name.
    path.write_text(json.dumps({"pid": holder.pid, "url": holder.url}), encoding="utf-8")


def _read_holder(path: Path) -> Holder:
    stored = read_json(path)
    return Holder(int(stored.get("pid", 0)), stored.get("url"))
