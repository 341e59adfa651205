"""The data directory: everything one edition keeps, used by one process at a time.

reelzero.db     jobs, events, keys         secrets.json   secret that signs webhooks
s3/             objects and S3 credentials models/        weights built here
logs/           one file per process       scratch/       videos that are not uploaded yet
lock            the process that uses it   service.json   port of the last run
mark/           certificate that signs the videos, and its key
cache/          inputs of steps of stories, bounded

Files are 0600 and folders 0700 for any umask, also those that an earlier release made.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from eventing.contract.errors import ConfigurationError
from eventing.standalone.data.files import (
    close_to_others,
    make_private_folder,
    open_private,
    read_json,
    write_private,
)
from eventing.store.database.connections import file_url

DATA_DIR = Path(".reelzero")
DATABASE_FILE = "reelzero.db"
SECRET_BYTES = 32
# Only these are closed to other users: the folder of a data directory may hold other files too.
OWN_NAMES = (
    "lock", "secrets.json", "service.json", "s3", "logs", "mark", "models", "scratch", "cache",
    DATABASE_FILE, f"{DATABASE_FILE}-wal", f"{DATABASE_FILE}-shm",
)  # fmt: skip


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
        self.mark = self.path / "mark"
        self.database = self.path / DATABASE_FILE

    @property
    def database_url(self) -> str:
        """Return the URL of the SQLite file in this directory."""
        return file_url(self.database)

    def webhook_secret(self) -> str:
        """Return the `whsec_` secret that signs this directory's webhooks. Makes it on first use."""
        path = self.path / "secrets.json"
        stored = read_json(path).get("webhook")
        if isinstance(stored, str):
            return stored
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
        write_private(path, json.dumps({"webhook": secret}))
        return secret

    def last_port(self) -> int | None:
        """Return the port of the last run; None if there was none."""
        port = read_json(self.path / "service.json").get("port")
        return port if isinstance(port, int) else None

    def remember_port(self, port: int) -> None:
        """Store the port for the next run, so that links to this service work again."""
        write_private(self.path / "service.json", json.dumps({"port": port}))

    def announce(self, url: str) -> None:
        """Write the service's URL into the lock, for other processes that find the directory in use."""
        _write_holder(self.path / "lock", Holder(os.getpid(), url))


@contextmanager
def open_data_dir(path: Path) -> Iterator[DataDir]:
    """Make the directory if needed and lock it for this process. Raises InUse, ConfigurationError."""
    data = DataDir(path)
    if data.path.is_dir() and data.path.stat().st_mode & stat.S_ISVTX:
        raise ConfigurationError(
            f"{data.path} is for all users: choose a folder of its own", field="--data-dir"
        )
    try:
        descriptor = _make(data)
    except OSError as error:
        raise ConfigurationError(
            f"the data directory {data.path} cannot be used: {error.strerror}", field="--data-dir"
        ) from error
    try:
        # A killed process may have left these files. The lock rules out that another uses them.
        shutil.rmtree(data.path / "scratch", ignore_errors=True)
        yield data
    finally:
        os.close(descriptor)  # and with it the lock


def _make(data: DataDir) -> int:
    """Make the directory, lock it and return the lock's descriptor. Raises InUse, OSError."""
    make_private_folder(data.path)
    make_private_folder(data.logs)
    descriptor = open_private(str(data.path / "lock"), os.O_RDWR | os.O_CREAT)
    try:
        _lock(data, descriptor)
        close_to_others(data.path, OWN_NAMES)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _lock(data: DataDir, descriptor: int) -> None:
    try:
        # A lock of the kernel: it ends with its process, however that ends.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InUse(data.path, _read_holder(data.path / "lock")) from error
    _write_holder(data.path / "lock", Holder(os.getpid(), None))


def _write_holder(path: Path, holder: Holder) -> None:
    # Write into this file, because the lock is on the file and not on its name.
    path.write_text(json.dumps({"pid": holder.pid, "url": holder.url}), encoding="utf-8")


def _read_holder(path: Path) -> Holder:
    stored = read_json(path)
    return Holder(int(stored.get("pid", 0)), stored.get("url"))
